# SPDX-License-Identifier: MIT
"""Which lines of the mock kernel run: planted in it like a bug, but all it does is to look on."""

from __future__ import annotations

import atexit
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from coverage import Coverage

from amdgpu_hw.mock.planting import Change
from mutate.mutants import KERNEL

__all__ = ("Recorder", "recorder_file")


@dataclass(frozen=True, slots=True)
class Recorder(Change):
    """From its planting on until it is lifted, or the machine ends; then ``output`` has the lines of each file."""

    output: Path

    def plant(self) -> Callable[[], None]:
        """Begin to look on."""
        # The mock kernel has greenlets (process.py), and is otherwise one thread.
        coverage = Coverage(data_file=None, include=[f"{KERNEL}/*"], config_file=False, concurrency=["greenlet"])
        coverage.start()

        def save() -> None:
            atexit.unregister(save)
            coverage.stop()
            data = coverage.get_data()
            lines = {
                str(Path(file).relative_to(KERNEL)): sorted(data.lines(file) or ()) for file in data.measured_files()
            }
            self.output.write_text(json.dumps(lines), encoding="utf-8")

        atexit.register(save)
        return save


def recorder_file(output: Path) -> str:
    """The text of a planted bug's file that records into ``output``."""
    scripts = str(Path(__file__).resolve().parents[1])
    return (
        '"""Nothing is wrong: the lines that run are noted."""\n\n'
        "import sys\nfrom pathlib import Path\n\n"
        "from amdgpu_hw.mock.planting import Bug\n\n"
        f"sys.path.append({scripts!r})\n"
        "from mutate.recorder import Recorder\n\n"
        f"BUG = Bug(caught_by=())\nCHANGE = Recorder(Path({str(output)!r}))\n"
    )
