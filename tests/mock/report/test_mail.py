# SPDX-License-Identifier: MIT
"""The mail: narrow enough for the list, and vouching for nothing that was not tested."""

from __future__ import annotations

import shlex

import pytest

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.report.mail import mail_report
from amdgpu_hw.verdict.machine import MachineDescription
from tests.mock.report.runs import GUEST, MACHINES, MOCK, REAL, broken, every_kind, run

ME = "Ada Lovelace <ada@example.org>"


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
def test_no_line_is_longer_than_72_columns(machine: MachineDescription) -> None:
    """Commands go on in the next line as a shell reads them."""
    text = mail_report(run(machine, every_kind()), None, None)
    assert max(map(len, text.splitlines())) <= 72
    assert text.startswith("Subject: amdgpu explicit sync on AMD Radeon RX 7900 XTX")
    assert "F4 (B30, B31): input fences are dropped (patch 1)." in " ".join(text.split())


def test_commands_are_read_by_a_shell_as_they_were_meant() -> None:
    """Also those with a word that is longer than a line, or that has to be quoted."""
    case = broken()
    case.test = f"tests/hw/test_x.py::test_{'very_' * 30}long[always-valid BO]"
    results = run(MOCK, [case])
    text = mail_report(results, None, None)
    assert max(map(len, text.splitlines())) <= 72
    start = text.index("    amdgpu-hw validate", text.index("What was seen"))
    command = text[start : text.index("\n\n", start)]
    assert shlex.split(command.replace("\\\n", "")) == shlex.split(results.again("--test", case.test_id))


def test_a_real_kernel_on_a_real_gpu_that_holds_is_vouched_for() -> None:
    """In the form that git takes for a trailer, as the last line."""
    assert mail_report(run(REAL), ME, "<1@example.org>").endswith(f"\nTested-by: {ME}\n")
    assert "\nIn-Reply-To: <1@example.org>\n" in mail_report(run(REAL), ME, "<1@example.org>")


@pytest.mark.parametrize(
    ("machine", "why"),
    [
        (MOCK, "(No Tested-by line: kernel and GPU are modelled, no kernel was tested.)"),
        (GUEST, "(No Tested-by line: the GPU is modelled, this is no test on hardware.)"),
    ],
)
def test_nothing_modelled_is_vouched_for(machine: MachineDescription, why: str) -> None:
    """Whoever asks for it."""
    text = mail_report(run(machine), ME, None)
    assert "Tested-by: " not in text
    assert why in " ".join(text.split())


def test_what_does_not_hold_is_not_vouched_for() -> None:
    """Nor is a kernel without the series, nor half a run."""
    assert "(No Tested-by line: not everything holds.)" in mail_report(run(REAL, [broken()]), ME, None)
    without = run(REAL)
    without.probes = {"explicit_sync": {"supported": False, "errno": 22, "why": "EINVAL"}}
    assert "(No Tested-by line: this kernel does not have the series.)" in mail_report(without, ME, None)
    half = run(REAL)
    half.interrupted = "Ctrl-C"
    assert "(No Tested-by line: this run is no proof.)" in mail_report(half, ME, None)


def test_without_a_name_it_says_what_to_add() -> None:
    """Rather than to make one up."""
    text = " ".join(mail_report(run(REAL), None, None).split())
    assert "(No Tested-by line yet: set user.name and user.email in git, or give --tested-by 'Name <address>'.)" in text


@pytest.mark.parametrize("name", ["", "Ada", "ada@example.org", "Ada <ada>", "A <a@b>\nX: y"])
def test_what_is_no_name_and_address_is_refused(name: str) -> None:
    """A header could follow."""
    with pytest.raises(HarnessError, match="is no name and address"):
        mail_report(run(REAL), name, None)
    with pytest.raises(HarnessError, match="is no message ID"):
        mail_report(run(REAL), ME, "1@x\nBcc: y")
