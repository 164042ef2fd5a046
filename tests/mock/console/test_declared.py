# SPDX-License-Identifier: MIT
"""The declaration of the console's commands, and that everybody who reads it has all of them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from amdgpu_hw.cli.console import command_parser
from amdgpu_hw.decode import DecodeError
from amdgpu_hw.mock.console.client import Console
from amdgpu_hw.mock.console.commands import Commands
from amdgpu_hw.mock.console.declared import COMMANDS, ConsoleCommands

DOCS = Path(__file__).parents[3] / "docs/console.md"


class Recorded(ConsoleCommands):
    """The end of a console that has no machine behind it."""

    def __init__(self, answer: Any = None) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.answer = answer

    def carry_out(self, command: str, arguments: Mapping[str, Any]) -> Any:
        """Note it."""
        self.sent.append((command, dict(arguments)))
        return self.answer


def test_every_method_is_a_command_and_the_machine_carries_it_out_with_the_same_parameters() -> None:
    """None is forgotten in the mock kernel's process, none is there that nobody declared."""
    methods = {name for name in vars(ConsoleCommands) if not name.startswith("_")}
    assert methods - {"carry_out"} == set(COMMANDS)
    own = {name for name in vars(Commands) if not name.startswith("_")}
    assert own - {"run"} == set(COMMANDS)
    for name, command in COMMANDS.items():
        there = inspect.signature(getattr(Commands, name)).parameters
        assert {key: (each.default, each.kind) for key, each in there.items()} == {
            key: (each.default, each.kind) for key, each in command.signature.parameters.items()
        }, name
    assert not set(COMMANDS) & set(vars(Console)), "the client has a command of its own making"


def test_a_call_sends_its_name_and_all_arguments() -> None:
    """Given in their place or by name, or left to the declared default."""
    console = Recorded()
    console.hang("sdma0", wave=True)
    console.fail_alloc(2, site="drm_open")
    console.boot("base", parameters={"debug_mask": 4})
    assert console.sent == [
        ("hang", {"ring": "sdma0", "gpu": 0, "wave": True}),
        ("fail_alloc", {"nth": 2, "times": 1, "site": "drm_open"}),
        ("boot", {"kernel": "base", "bugs": (), "parameters": {"debug_mask": 4}}),
    ]
    with pytest.raises(TypeError, match="missing a required argument: 'ring'"):
        console.hold()  # type: ignore[call-arg]  # what a caller without mypy may do


def test_an_answer_has_the_declared_type() -> None:
    """It comes as JSON; what is no such thing is refused and not passed on."""
    assert Recorded({"files": 0}).audit() == {"files": 0}
    [client] = Recorded([{"pid": 7, "comm": "x", "threads": 1, "asleep": 0}]).clients()
    assert (client.pid, client.comm) == (7, "x")
    with pytest.raises(DecodeError, match=r"^clients\[0\]\.pid is 'x', not a whole number$"):
        Recorded([{"pid": "x", "comm": "x", "threads": 1, "asleep": 0}]).clients()


@pytest.mark.parametrize(
    ("words", "sent"),
    [
        ("hold gfx_0.0.0", ("hold", {"ring": "gfx_0.0.0", "gpu": 0})),
        ("release sdma0 --gpu 1", ("release", {"ring": "sdma0", "gpu": 1})),
        ("hang sdma0 --wave", ("hang", {"ring": "sdma0", "gpu": 0, "wave": True})),
        ("lose-fence sdma0", ("lose_fence", {"ring": "sdma0", "gpu": 0})),
        ("delay-fence sdma0 1.5", ("delay_fence", {"ring": "sdma0", "ms": 1.5, "gpu": 0})),
        ("enomem --nth 3 --site drm_open", ("fail_alloc", {"nth": 3, "times": 1, "site": "drm_open"})),
        ("eintr --pid 5", ("interrupt", {"nth": 1, "times": 1, "pid": 5})),
        ("fail-ring-reset --times 2", ("fail_ring_reset", {"times": 2})),
        ("clear-faults", ("clear_faults", {})),
        ("reset", ("reset", {"gpu": 0})),
        ("unplug 1", ("unplug", {"gpu": 1})),
        ("parameter debug_mask 0x4", ("parameter", {"name": "debug_mask", "value": 4})),
        ("boot base", ("boot", {"kernel": "base", "bugs": [], "parameters": None})),
        (
            "boot base --bug m05 --bug m06 --parameter a=0x1 --parameter b=2",
            ("boot", {"kernel": "base", "bugs": ["m05", "m06"], "parameters": {"a": 1, "b": 2}}),
        ),
        ("mappings 3 --va 0x1000", ("mappings", {"client_id": 3, "va": 0x1000, "limit": 100})),
        ("contexts", ("contexts", {"client_id": None})),
        ("bos 3", ("bos", {"client_id": 3})),
    ],
)
def test_what_people_type(words: str, sent: tuple[str, dict[str, Any]]) -> None:
    """Words and options become the arguments that are sent."""
    console = Recorded([])
    if sent[0] not in ("mappings", "contexts", "bos"):
        console.answer = None
    arguments = command_parser().parse_args(words.split())
    arguments.action(console, arguments)
    assert console.sent == [sent]


def test_every_command_can_be_typed_and_is_in_the_documentation() -> None:
    """Each has a word of its own, a line of help, and a place on the page about the console."""
    parser = command_parser()
    assert parser.get_default("names") == tuple(command.typed for command in COMMANDS.values())
    text = DOCS.read_text(encoding="utf-8")
    missing = [command.typed for command in COMMANDS.values() if not re.search(rf"(`|console ){command.typed}\b", text)]
    assert not missing, f"docs/console.md does not name {', '.join(missing)}"
