# SPDX-License-Identifier: MIT
"""Names for new files: each run has its own, whoever else starts at the same moment."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from amdgpu_hw.atomic_file import claim_file


def test_no_two_claim_the_same_file(tmp_path: Path) -> None:
    """A hundred at once, all in one second."""
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: claim_file(tmp_path / "results", "run", ".json"), range(100)))
    assert len(set(found)) == 100
    assert {path.name for path in found} == {"run.json", *(f"run-{number}.json" for number in range(2, 101))}


def test_what_nobody_wrote_goes_away_with_the_process(tmp_path: Path) -> None:
    """What somebody wrote stays."""
    code = (
        "from pathlib import Path\nfrom amdgpu_hw.atomic_file import claim_file\n"
        f"claim_file(Path({str(tmp_path)!r}), 'empty', '.json')\n"
        f"claim_file(Path({str(tmp_path)!r}), 'full', '.json').write_text('x')"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert [path.name for path in tmp_path.iterdir()] == ["full.json"]


def test_what_nobody_wrote_goes_away_with_a_process_that_is_cut_short(tmp_path: Path) -> None:
    """As one does that a driver does not let go of: Python's own end does not come then."""
    code = (
        "import os\nfrom pathlib import Path\nfrom amdgpu_hw.atomic_file import claim_file, forget_unwritten\n"
        f"claim_file(Path({str(tmp_path)!r}), 'empty', '.json')\nforget_unwritten()\nos._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_to_is_an_error(tmp_path: Path) -> None:
    """Not an endless search for a free name."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"File exists|Not a directory"):
        claim_file(tmp_path / "file", "run", ".json")
