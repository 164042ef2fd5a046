# SPDX-License-Identifier: MIT
"""What users include in their CI: of the form that GitLab and GitHub read, and the job's own script works."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from amdgpu_hw.exit_status import ExitStatus
from tests import plain_environment

ROOT = Path(__file__).parents[2]
GITLAB = ROOT / "ci" / "gitlab.yml"
GITHUB = ROOT / ".github" / "workflows" / "validate.yml"
CONTAINERFILE = ROOT / "ci" / "Containerfile"


@pytest.mark.parametrize(("schema", "path"), [("gitlab-ci", GITLAB), ("github-workflows", GITHUB)])
def test_the_schema_of_the_service_takes_the_file(schema: str, path: Path) -> None:
    """The one that check-jsonschema ships."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", str(path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_examples_of_the_documentation_are_of_that_form_too(tmp_path: Path) -> None:
    """What people copy from docs/ci.md; each example there is a file or a part of one."""
    text = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    blocks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", text, re.MULTILINE)
    gitlab = next(block for block in blocks if "include:" in block)
    github = next(block for block in blocks if "uses:" in block)
    for schema, block in (("gitlab-ci", gitlab), ("github-workflows", f"    on: push\n{github}")):
        path = tmp_path / f"{schema}.yml"
        path.write_text("".join(line.removeprefix("    ") + "\n" for line in block.splitlines()))
        test_the_schema_of_the_service_takes_the_file(schema, path)


@pytest.mark.parametrize(
    ("kernel", "row", "status"), [("series-v1", "B30", 1), ("series-fixed", "B01", 0), ("base", "B05", 4)]
)
def test_the_job_ends_as_the_run_and_leaves_its_reports(tmp_path: Path, kernel: str, row: str, status: int) -> None:
    """The script of GitLab's job, in a shell, where amdgpu-hw is in the PATH as in the image."""
    job = YAML(typ="safe").load(GITLAB)[".amdgpu-hw"]
    environment = plain_environment()
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    environment |= {"AMDGPU_HW_MACHINE": f"--mock navi31 --kernel {kernel}", "AMDGPU_HW_OPTIONS": f"-k {row}"}
    command = ["bash", "-e", "-c", "\n".join(job["script"])]
    result = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=180, check=False
    )
    assert result.returncode == status, result.stdout + result.stderr
    assert sorted(path.suffix for path in (tmp_path / "results").iterdir()) == [".html", ".json", ".ktap", ".xml"]


def test_the_container_file_calls_what_there_is() -> None:
    """Its set-up and its entry point; both profiles are known to scripts/setup."""
    text = CONTAINERFILE.read_text(encoding="utf-8")
    calls = re.findall(r"/opt/amdgpu-hw/(scripts/\w+) (\w+)", text)
    assert calls == [("scripts/setup", "run"), ("scripts/setup", "guest")]
    assert (ROOT / "scripts" / "setup").stat().st_mode & 0o111
    assert 'ENTRYPOINT ["amdgpu-hw"]' in text


def test_a_guest_without_the_series_is_a_warning_and_nothing_else_is(tmp_path: Path) -> None:
    """Exit status 4 of the guest alone; the step of the workflow, with a command that ends as it is told."""
    guest = YAML(typ="safe").load(GITLAB)[".amdgpu-hw-guest"]
    assert guest["allow_failure"] == {"exit_codes": ExitStatus.SILENT}
    steps = YAML(typ="safe").load(GITHUB)["jobs"]["validate"]["steps"]
    script = next(step["run"] for step in steps if step.get("name") == "Validate")
    command = tmp_path / ".venv" / "bin" / "amdgpu-hw"
    command.parent.mkdir(parents=True)
    command.write_text('#!/bin/sh\nexit "$STATUS"\n')
    command.chmod(0o755)
    for machine in ("mock", "guest", "card"):
        for status in ExitStatus:
            environment = {**os.environ, "MACHINE": machine, "OPTIONS": "", "STATUS": str(int(status))}
            # As GitHub runs a step.
            step = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
            result = subprocess.run(step, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
            warned = machine == "guest" and status is ExitStatus.SILENT
            assert result.returncode == (0 if warned else status), (machine, status, result)
            assert ("::warning::" in result.stdout) is warned
