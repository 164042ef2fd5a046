# SPDX-License-Identifier: MIT
"""``amdgpu-hw console``: look into a running mock machine, hold its rings, make things go wrong.

With a command it does that one thing; without, it asks for commands until the end of its input.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from amdgpu_hw.cli import console_view as view
from amdgpu_hw.cli.machine_options import add_parameter_option
from amdgpu_hw.mock.console.client import Console, ConsoleError, find_machine
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_drv.params import MODULE_PARAMETERS

__all__ = ("add_commands",)

_PROMPT = "mock> "

Action = Callable[[Console, argparse.Namespace], None]


def add_commands(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "console",
        help="look into a running mock machine, make things go wrong",
        usage="amdgpu-hw console [--machine DIRECTORY] [COMMAND [ARGUMENTS...]]",
        description="Without COMMAND: asks for commands; 'help' lists them.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--machine", metavar="DIRECTORY", type=Path, help="which one (default: the one this runs on, or that runs)"
    )
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND", help=argparse.SUPPRESS)
    parser.set_defaults(run=run_console, takes_rest=False)


def run_console(options: argparse.Namespace, _rest: Sequence[str]) -> int:
    """Carry out one command, or ask for commands."""
    directory = options.machine if options.machine is not None else find_machine()
    parser = _commands()
    words: list[str] = options.words
    if words:
        arguments = _parse(parser, words)
        with Console(directory) as console:
            arguments.action(console, arguments)
        return 0
    with Console(directory) as console:
        _converse(console, parser)
    return 0


def _converse(console: Console, parser: argparse.ArgumentParser) -> None:
    """Ask for commands until the end of the input; what goes wrong with one does not end it."""
    asks = sys.stdin.isatty()
    if asks:
        _enable_editing()
        view.print_status(console.status())
    while (line := _read_line(asks)) is not None:
        try:
            words = shlex.split(line, comments=True)
            if not words:
                continue
            if words[0] in ("quit", "exit"):
                break
            arguments = _parse(parser, words)
            arguments.action(console, arguments)
        except (ConsoleError, ValueError) as error:
            print(error, file=sys.stderr)


def _read_line(asks: bool) -> str | None:
    try:
        return input(_PROMPT if asks else "")
    except EOFError:
        if asks:
            print()
        return None


def _enable_editing() -> None:
    try:
        import readline  # noqa: F401  # input() uses it once it is there
    except ImportError:
        return


class _Help(Exception):
    """The help text was printed."""


class _Parser(argparse.ArgumentParser):
    """One that does not end the program."""

    def error(self, message: str) -> NoReturn:
        """Refuse a command in one sentence."""
        raise ConsoleError(f"{self.prog}: {message}" if self.prog else message)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:  # noqa: ARG002
        """End the parsing after --help."""
        raise _Help


def _parse(parser: argparse.ArgumentParser, words: Sequence[str]) -> Any:
    """Return what the words say, with the `Action` to be carried out; raises `ConsoleError`."""
    if words[0] == "help":
        words = [*words[1:], "--help"]
    elif words[0] not in ("-h", "--help") and words[0] not in parser.get_default("names"):
        raise ConsoleError(f"there is no command '{words[0]}'; 'help' lists them")
    try:
        return parser.parse_args(words)
    except _Help:
        return argparse.Namespace(action=_nothing)


def _nothing(_console: Console, _arguments: argparse.Namespace) -> None:
    """Do nothing: the help text was all."""


def _commands() -> argparse.ArgumentParser:
    parser = _Parser(prog="", usage="COMMAND [ARGUMENTS...]", add_help=True, allow_abbrev=False)
    commands: Any = parser.add_subparsers(title="commands", required=True, metavar="COMMAND", parser_class=_Parser)

    def command(name: str, help_text: str, action: Action) -> Any:
        sub = commands.add_parser(name, prog=name, help=help_text, description=help_text, allow_abbrev=False)
        sub.set_defaults(action=action)
        return sub

    def ring_command(name: str, help_text: str, action: Action) -> Any:
        sub = command(name, help_text, action)
        sub.add_argument("ring", metavar="RING", help="as 'rings' lists them")
        sub.add_argument("--gpu", type=int, default=0, metavar="N", help="number of the GPU (default: 0)")
        return sub

    def gpu_command(name: str, help_text: str, action: Action) -> None:
        sub = command(name, help_text, action)
        sub.add_argument("gpu", type=int, nargs="?", default=0, metavar="N", help="number of the GPU (default: 0)")

    _declare_views(command)
    ring_command("hold", "stop a ring behind the packet it is at", lambda c, a: c.hold(a.ring, a.gpu))
    ring_command("release", "let a held ring go on", lambda c, a: c.release(a.ring, a.gpu))
    ring_command("step", "let a held ring execute one packet", lambda c, a: print(c.step(a.ring, a.gpu)))
    sub = ring_command("hang", "hang a ring at its job", lambda c, a: c.hang(a.ring, a.gpu, wave=a.wave))
    sub.add_argument("--wave", action="store_true", help="as a shader does, which soft recovery can kill")
    ring_command("lose-fence", "lose the next fence of a ring", lambda c, a: c.lose_fence(a.ring, a.gpu))
    sub = ring_command("delay-fence", "let it come late", lambda c, a: c.delay_fence(a.ring, a.ms, a.gpu))
    sub.add_argument("ms", metavar="MS", type=float, help="how late")
    _declare_faults(command)
    gpu_command("reset", "reset a GPU", lambda c, a: c.reset(a.gpu))
    gpu_command("unplug", "pull a GPU out", lambda c, a: c.unplug(a.gpu))
    sub = command("parameter", "set a module parameter of amdgpu", lambda c, a: c.parameter(a.name, a.value))
    sub.add_argument("name", metavar="NAME", help=", ".join(MODULE_PARAMETERS))
    sub.add_argument("value", metavar="VALUE", type=lambda text: int(text, 0))
    sub = command(
        "boot",
        "boot another kernel; no client may have a file open",
        lambda c, a: c.boot(a.kernel, a.bug, dict(a.parameter)),
    )
    sub.add_argument("kernel", metavar="KERNEL")
    sub.add_argument("--bug", metavar="NAME", action="append", default=[], help="plant this bug; repeatable")
    add_parameter_option(sub)
    parser.set_defaults(names=tuple(commands.choices))
    return parser


def _declare_views(command: Callable[[str, str, Action], Any]) -> None:
    command("status", "kernel, GPUs, faults to come", lambda c, _: view.print_status(c.status()))
    sub = command("log", "the kernel's log", lambda c, a: print(c.log(a.lines), end=""))
    sub.add_argument("lines", type=int, nargs="?", default=0, metavar="LINES", help="the last ones only")
    command("clients", "processes", lambda c, _: view.print_clients(c.clients()))
    command("files", "open files", lambda c, _: view.print_files(c.files()))
    views: tuple[tuple[str, str, Action], ...] = (
        ("contexts", "contexts and their entities", lambda c, a: view.print_contexts(c.contexts(a.client))),
        ("bos", "buffers", lambda c, a: view.print_bos(c.bos(a.client))),
        (
            "updates",
            "page-table updates under way, and what each waits for",
            lambda c, a: view.print_jobs(c.updates(a.client), "no page-table update is under way"),
        ),
    )
    for name, help_text, action in views:
        sub = command(name, help_text, action)
        sub.add_argument("client", type=int, nargs="?", metavar="CLIENT", help="of one open file, see 'files'")
    sub = command(
        "mappings",
        "an address space",
        lambda c, a: view.print_mappings(c.mappings(a.client, a.va, a.limit)),
    )
    sub.add_argument("client", type=int, metavar="CLIENT", help="whose, see 'files'")
    sub.add_argument("--va", type=lambda text: int(text, 0), default=0, metavar="ADDRESS", help="from there on")
    sub.add_argument("--limit", type=int, default=100, metavar="N", help="at most so many (default: 100)")
    command("rings", "rings and what they are at", lambda c, _: view.print_rings(c.rings()))
    command("jobs", "all jobs under way", lambda c, _: view.print_jobs(c.jobs(), "no job is under way"))
    command("audit", "what is kept for clients", lambda c, _: view.print_audit(c.audit()))


def _declare_faults(command: Callable[[str, str, Action], Any]) -> None:
    def counted(name: str, help_text: str, action: Action) -> Any:
        sub = command(name, help_text, action)
        sub.add_argument("--nth", type=int, default=1, metavar="N", help="the first to be hit (default: the next)")
        sub.add_argument("--times", type=int, default=1, metavar="N", help="how many (default: 1)")
        return sub

    sub = counted("enomem", "let an allocation fail", lambda c, a: c.fail_alloc(a.nth, a.times, a.site))
    sub.add_argument("--site", metavar="FUNCTION", help="count only those of one kernel function")
    sub = counted("eintr", "interrupt a sleeping system call", lambda c, a: c.interrupt(a.nth, a.times, a.pid))
    sub.add_argument("--pid", type=int, metavar="PID", help="count only those of one process")
    sub = command("fail-ring-reset", "let resets of single rings fail", lambda c, a: c.fail_ring_reset(a.times))
    sub.add_argument("--times", type=int, default=1, metavar="N", help="how many (default: 1)")
    command("clear-faults", "forget faults that have not happened", lambda c, _: c.clear_faults())
