# SPDX-License-Identifier: MIT
"""The fixture that runs a client."""

from pathlib import Path

import pytest

from . import running


@pytest.fixture
def run_client(tmp_path: Path) -> running.RunClient:
    """`running.run_client` with a GPU's name or several, and the program and its arguments."""

    def run(gpus: str | list[str], *command: str | Path, status: int | None = 0) -> running.Outcome:
        names = [gpus] if isinstance(gpus, str) else gpus
        return running.run_client(names, command, running.plain_environment(tmp_path), status)

    return run
