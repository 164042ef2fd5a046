# SPDX-License-Identifier: MIT
"""The standard streams as programs need them: there, and able to take every character that we print."""

from __future__ import annotations

import codecs
import os
import sys

__all__ = ("make_fit", "plain", "printable")

_PLAIN = str.maketrans(
    {
        **dict.fromkeys("─━═╌╍┄┅╶╴", "-"),
        **dict.fromkeys("│┃║╎╏", "|"),
        **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╯╰┏┓┗┛┣┫┳┻╋╇╈╪╫╬╒╕╘╛╞╡┡┩╀╁╂╄╅╆┢┪", "+"),
        "µ": "u",
        "×": "x",
        "±": "+-",
        "…": "...",
        "–": "-",
        "—": "-",
        "•": "*",
    }
)
"""What stands for our characters where an encoding lacks them."""

_ERRORS = "amdgpu_hw.plain"


def plain(text: str) -> str:
    """The same in ASCII: lines and units spelled otherwise, anything else as a question mark."""
    return text.translate(_PLAIN).encode("ascii", "replace").decode("ascii")


def printable(text: str) -> str:
    """The same without characters that command a terminal or change the order of others, in lines as before.

    What we print quotes files and names of processes that others have made.
    """
    return "".join(each if each in "\t\n\xa0" or each.isprintable() else "?" for each in text)


def _spell(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return plain(error.object[error.start : error.end]), error.end


def make_fit() -> None:
    """See to it that descriptors 0, 1 and 2 are open, and that printing does not fail for want of a character.

    A descriptor that the caller closed would be the number of the next file that is opened, which our output would then
    go to: a device node, for example.
    """
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            null = os.open(os.devnull, os.O_RDONLY if fd == 0 else os.O_WRONLY)
            if null != fd:
                os.dup2(null, fd)
                os.close(null)
            os.set_inheritable(fd, True)
    codecs.register_error(_ERRORS, _spell)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115 - as long as the process
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors=_ERRORS)
