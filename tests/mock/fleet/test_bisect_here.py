# SPDX-License-Identifier: MIT
"""A git tree bisected from the command to the first bad commit: real validations on a real box."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from loopback.lab import Lab

from amdgpu_hw.mock import bugs
from tests import plain_environment
from tests.mock.fleet.test_bisect import git

GOOD = '"""Does nothing."""\nfrom amdgpu_hw.mock.planting import Bug\n\nBUG = Bug(caught_by=("B06",))\n'
BAD = Path(bugs.__file__).with_name("m05_flag_ignored.py").read_text()
"""The kernel of a commit is a mock kernel with this bug."""

COMMITS = (GOOD, f"{GOOD}# again\n", "what is this", BAD, f"{BAD}# again\n", f"{BAD}# and again\n")
FIRST_BAD = 3


def plan_text(lab: Lab) -> str:
    """One box by ssh, and the kernel that commits are run like."""
    box = lab.add_box("bisected")
    place = {
        "name": "box",
        "gpu": "navi31",
        "ssh": box.ssh,
        "key": str(lab.keys.client),
        "options": list(lab.ssh_options()),
        "directory": str(box.home),
        "python": sys.executable,
    }
    kernel = {"name": "commit", "mock": "series-fixed-7.3", "files": "kernel.py", "validate": ["--bug=$FILES"]}
    tables: list[tuple[str, dict[str, Any]]] = [
        ("[[place]]", place),
        ("[[kernel]]", kernel),
        ("[limits]", {"poll": 0.5}),
    ]
    return "\n".join(
        line
        for head, table in tables
        for line in (head, *(f"{key} = {json.dumps(value)}" for key, value in table.items()))
    )


@pytest.mark.long
def test_the_first_bad_commit_of_a_tree_is_found(lab: Lab, tmp_path: Path) -> None:
    """The one before it cannot be run at all: both are named, and why the one is out."""
    tree = tmp_path / "linux"
    tree.mkdir()
    git(tree, "init", "-q")
    for text in COMMITS:
        (tree / "kernel.py").write_text(text)
        git(tree, "add", "kernel.py")
        git(tree, "commit", "-q", "-m", "a commit")
    listed = subprocess.run(
        ["git", "-C", tree, "rev-list", "--reverse", "HEAD"], capture_output=True, text=True, check=True
    )
    commits = [commit[:12] for commit in listed.stdout.split()]
    plan = tmp_path / "plan.toml"
    plan.write_text(plan_text(lab))
    options: list[str | Path] = [
        *("--row", "B06", "--plan", plan, "--results", tmp_path / "results"),
        *("--tree", tree, "--like", "commit", "--build", 'cp kernel.py "$FILES"'),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "amdgpu_hw", "fleet", "bisect", commits[0], "HEAD", *options],
        env=plain_environment(),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    told = done.stdout + done.stderr
    suspects = f"{commits[FIRST_BAD - 1]}, {commits[FIRST_BAD]}"
    assert f"B06 is first broken on one of {suspects}: the others of them could not be judged." in told, told
    assert done.returncode == 3, told
    assert not (tmp_path / "results" / "tree").exists()
