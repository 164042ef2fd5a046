# SPDX-License-Identifier: MIT
"""``amdgpu-hw console``: look into a running mock machine, hold its rings, make things go wrong.

With a command it does that one thing; without, it asks for commands until the end of its input.
"""

from __future__ import annotations

import argparse
import functools
import inspect
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, get_args, get_origin

from amdgpu_hw.cli import console_view as view
from amdgpu_hw.mock.console.client import Console, ConsoleError, find_machine
from amdgpu_hw.mock.console.declared import COMMANDS, ConsoleCommand, Parameter
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_drv.params import MODULE_PARAMETERS, parse_parameter

__all__ = ("add_commands", "command_parser")

_PROMPT = "mock> "

View = Callable[[Any], None]

_VIEWS: dict[str, View] = {
    "status": view.print_status,
    "log": functools.partial(print, end=""),
    "clients": view.print_clients,
    "files": view.print_files,
    "contexts": view.print_contexts,
    "bos": view.print_bos,
    "updates": functools.partial(view.print_jobs, empty="no page-table update is under way"),
    "mappings": view.print_mappings,
    "rings": view.print_rings,
    "jobs": functools.partial(view.print_jobs, empty="no job is under way"),
    "audit": view.print_audit,
    "step": print,
}
"""How the result of a command is shown."""


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
    parser = command_parser()
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
    """Return what the words say, with the action to be carried out; raises `ConsoleError`."""
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


def command_parser() -> argparse.ArgumentParser:
    """What reads the words of one command; ``action`` of its answer carries that out."""
    parser = _Parser(prog="", usage="COMMAND [ARGUMENTS...]", add_help=True, allow_abbrev=False)
    commands: Any = parser.add_subparsers(title="commands", required=True, metavar="COMMAND", parser_class=_Parser)
    for command in COMMANDS.values():
        typed, text = command.typed, command.help
        sub = commands.add_parser(typed, prog=typed, help=text, description=text, allow_abbrev=False)
        for parameter in command.parameters.values():
            _add_argument(sub, parameter)
        show = None if command.returns is type(None) else _VIEWS[command.name]
        sub.set_defaults(action=functools.partial(_carry_out, command, show))
    parser.set_defaults(names=tuple(commands.choices))
    return parser


def _carry_out(command: ConsoleCommand, show: View | None, console: Console, arguments: argparse.Namespace) -> None:
    given = {name: getattr(arguments, name) for name in command.parameters}
    result = getattr(console, command.name)(**given)
    if show is not None:
        show(result)


def _add_argument(parser: argparse.ArgumentParser, parameter: Parameter) -> None:
    word = parameter.word
    needed = parameter.default is inspect.Parameter.empty
    how: dict[str, Any] = {
        "metavar": word.metavar,
        "help": word.help.format(parameters=", ".join(MODULE_PARAMETERS)),
        "default": parameter.default if word.default is None else word.default,
    }
    kinds = {get_origin(kind) or kind for kind in get_args(parameter.type) or (parameter.type,)}
    if bool in kinds:
        del how["metavar"]
        how["action"] = "store_true"
    elif get_origin(parameter.type) is Sequence:
        how |= {"action": "append", "default": []}
    elif Mapping in kinds:
        how |= {"action": _Pairs, "type": _parameter}
    else:
        how["type"] = _number if word.any_base else (kinds - {type(None)}).pop()
    if word.option:
        parser.add_argument(word.option, dest=parameter.name, **how)
    elif needed:
        del how["default"]
        parser.add_argument(parameter.name, **how)
    else:
        parser.add_argument(parameter.name, nargs="?", **how)


class _Pairs(argparse.Action):
    """Collects pairs of name and value."""

    def __call__(self, _parser: object, namespace: argparse.Namespace, values: Any, _option: object = None) -> None:
        """Take one more."""
        setattr(namespace, self.dest, {**(getattr(namespace, self.dest) or {}), values[0]: values[1]})


def _number(text: str) -> int:
    return int(text, 0)


def _parameter(text: str) -> tuple[str, int]:
    try:
        return parse_parameter(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
