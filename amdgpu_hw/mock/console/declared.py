# SPDX-License-Identifier: MIT
"""The commands of the console, declared once.

The client's methods are these, the mock kernel's process checks what comes over the socket against them before it
carries it out, and ``amdgpu-hw console`` makes its words and its help of them: a command's first line of documentation
is its help, and a parameter is typed as its `Word` says.
"""

# mypy: disable-error-code="empty-body"
# What a command does is not here but on the other end of the socket.

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, cast, get_args, get_type_hints

from amdgpu_hw.decode import decode
from amdgpu_hw.mock.console.types import (
    BoState,
    ClientState,
    ContextState,
    FileState,
    JobState,
    MachineState,
    MappingState,
    RingState,
)

__all__ = ("COMMANDS", "ConsoleCommand", "ConsoleCommands", "Parameter", "Word")

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Word:
    """How people type a parameter: in its place, or behind ``option`` if it has one."""

    metavar: str
    help: str
    option: str = ""
    default: Any = None
    """Another than the method's."""
    any_base: bool = False
    """A number that may be given in hexadecimal."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a command; ``default`` is `inspect.Parameter.empty` if there is none."""

    name: str
    type: Any
    default: Any
    word: Word


@dataclass(frozen=True, slots=True)
class ConsoleCommand:
    """A command: the name it has on the socket, the word that people type, its help in one line."""

    name: str
    typed: str
    help: str
    signature: inspect.Signature
    returns: Any
    parameters: Mapping[str, Parameter]


COMMANDS: dict[str, ConsoleCommand] = {}
"""By name, in the order in which they are listed."""


def _command(typed: str = "") -> Callable[[F], F]:
    """Declare a method of `ConsoleCommands` as a command; ``typed`` is its word if that is not its name."""

    def declare(method: F) -> F:
        name = method.__name__
        signature = inspect.signature(method)
        hints = get_type_hints(method, include_extras=True)
        parameters = {}
        for each in list(signature.parameters.values())[1:]:
            kind, word = get_args(hints[each.name])
            parameters[each.name] = Parameter(each.name, kind, each.default, word)
        assert method.__doc__ is not None, name
        said = method.__doc__.partition("\n")[0].rstrip(".")
        text = said if said[:2].isupper() else said[0].lower() + said[1:]
        word = typed or name.replace("_", "-")
        declared = COMMANDS[name] = ConsoleCommand(name, word, text, signature, hints["return"], parameters)

        @functools.wraps(method)
        def carried_out(self: ConsoleCommands, *given: Any, **named: Any) -> Any:
            bound = declared.signature.bind(self, *given, **named)
            bound.apply_defaults()
            arguments = dict(list(bound.arguments.items())[1:])
            return decode(declared.returns, self.carry_out(name, arguments), name)

        return cast(F, carried_out)

    return declare


_Ring = Annotated[str, Word("RING", "as 'rings' lists them")]
_RingsGpu = Annotated[int, Word("N", "number of the GPU (default: 0)", "--gpu")]
_Gpu = Annotated[int, Word("N", "number of the GPU (default: 0)")]
_SomeClient = Annotated[int | None, Word("CLIENT", "of one open file, see 'files'")]
_Nth = Annotated[int, Word("N", "the first to be hit (default: the next)", "--nth")]
_Times = Annotated[int, Word("N", "how many (default: 1)", "--times")]


class ConsoleCommands:
    """What the console of a machine can be told.

    Rings go by the names that `rings` lists, GPUs by their number on the machine, open files by their client id.
    """

    def carry_out(self, command: str, arguments: Mapping[str, Any]) -> Any:
        """Do it, with all arguments by name; returns the result as JSON gives it."""
        raise NotImplementedError

    # -- state ----------------------------------------------------------------------------------------------------

    @_command()
    def status(self) -> MachineState:
        """Kernel, GPUs, injected faults that have not happened yet."""

    @_command()
    def log(self, lines: Annotated[int, Word("LINES", "the last ones only")] = 0) -> str:
        """The kernel's log, as dmesg prints it.

        0 ``lines``: all of it.
        """

    @_command()
    def clients(self) -> list[ClientState]:
        """The processes that use the machine."""

    @_command()
    def files(self) -> list[FileState]:
        """The open files."""

    @_command()
    def contexts(self, client_id: _SomeClient = None) -> list[ContextState]:
        """Contexts and their entities, of one open file or of all."""

    @_command()
    def bos(self, client_id: _SomeClient = None) -> list[BoState]:
        """Buffers, of one open file or of all."""

    @_command()
    def updates(self, client_id: _SomeClient = None) -> list[JobState]:
        """Page-table updates under way, and what each waits for."""

    @_command()
    def mappings(
        self,
        client_id: Annotated[int, Word("CLIENT", "whose, see 'files'")],
        va: Annotated[int, Word("ADDRESS", "from there on", "--va", any_base=True)] = 0,
        limit: Annotated[int, Word("N", "at most so many (default: 100)", "--limit", default=100)] = 1000,
    ) -> list[MappingState]:
        """The address space of an open file, from an address on."""

    @_command()
    def rings(self) -> list[RingState]:
        """The rings of all GPUs, and what they are at."""

    @_command()
    def jobs(self) -> list[JobState]:
        """All jobs under way."""

    @_command()
    def audit(self) -> dict[str, int]:
        """What is kept for clients.

        Every count is 0 when they are gone and their work is done.
        """

    # -- rings ----------------------------------------------------------------------------------------------------

    @_command()
    def hold(self, ring: _Ring, gpu: _RingsGpu = 0) -> None:
        """Stop a ring behind the packet it is at."""

    @_command()
    def release(self, ring: _Ring, gpu: _RingsGpu = 0) -> None:
        """Let a held ring go on."""

    @_command()
    def step(self, ring: _Ring, gpu: _RingsGpu = 0) -> str:
        """Let a held ring execute one packet; tells where it is then."""

    # -- faults ---------------------------------------------------------------------------------------------------

    @_command()
    def hang(
        self,
        ring: _Ring,
        gpu: _RingsGpu = 0,
        *,
        wave: Annotated[bool, Word("", "as a shader does, which soft recovery can kill", "--wave")] = False,
    ) -> None:
        """Hang a ring at its current job, or the next one."""

    @_command()
    def lose_fence(self, ring: _Ring, gpu: _RingsGpu = 0) -> None:
        """Lose the next fence that a ring writes: its job has run, but nobody hears of it."""

    @_command()
    def delay_fence(self, ring: _Ring, ms: Annotated[float, Word("MS", "how late")], gpu: _RingsGpu = 0) -> None:
        """Make the next fence that a ring writes come late."""

    @_command("enomem")
    def fail_alloc(
        self,
        nth: _Nth = 1,
        times: _Times = 1,
        site: Annotated[str | None, Word("FUNCTION", "count only those of one kernel function", "--site")] = None,
    ) -> None:
        """Make an allocation fail with ENOMEM.

        The ``nth`` from now on, and the ``times - 1`` after it; ``site`` is a `fault_injection.AllocSite`.
        """

    @_command("eintr")
    def interrupt(
        self,
        nth: _Nth = 1,
        times: _Times = 1,
        pid: Annotated[int | None, Word("PID", "count only those of one process", "--pid")] = None,
    ) -> None:
        """Interrupt a system call that sleeps, as a signal does (EINTR).

        The ``nth`` from now on that goes to sleep.
        """

    @_command()
    def fail_ring_reset(self, times: _Times = 1) -> None:
        """Make the next resets of single rings fail, so that the whole GPU is reset."""

    @_command()
    def clear_faults(self) -> None:
        """Forget injected faults that have not happened."""

    @_command()
    def reset(self, gpu: _Gpu = 0) -> None:
        """Reset a GPU, as root does through debugfs."""

    @_command()
    def unplug(self, gpu: _Gpu = 0) -> None:
        """Pull a GPU out: its nodes go away and open files answer ENODEV."""

    # -- the machine ----------------------------------------------------------------------------------------------

    @_command()
    def parameter(
        self,
        name: Annotated[str, Word("NAME", "{parameters}")],
        value: Annotated[int, Word("VALUE", "a number", any_base=True)],
    ) -> None:
        """Set a module parameter of amdgpu, on all GPUs."""

    @_command()
    def boot(
        self,
        kernel: Annotated[str, Word("KERNEL", "a variant")],
        bugs: Annotated[Sequence[str], Word("NAME", "plant this bug; repeatable", "--bug")] = (),
        parameters: Annotated[
            Mapping[str, int] | None,
            Word("NAME=NUMBER", "module parameter of amdgpu: {parameters}; repeatable", "--parameter"),
        ] = None,
    ) -> None:
        """Boot another kernel; no client may have a file open."""
