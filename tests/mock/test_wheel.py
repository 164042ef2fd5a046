# SPDX-License-Identifier: MIT
"""The package as it is installed: an sdist, a wheel made of it alone, and an environment that knows no checkout."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILD_S = 200
"""Longer than building takes, however busy the host is."""

UNRELATED = """
def test_nothing_of_ours():
    assert 1 + 1 == 2
"""


def plain_environment() -> dict[str, str]:
    """Ours, without what this pytest has left in it, and without a search path that leads into the checkout."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHON", "VIRTUAL"))}


def run(*command: str | Path, cwd: Path, seconds: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        command,
        cwd=cwd,
        env=plain_environment() | {"COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


@dataclass(frozen=True)
class Built:
    """What `python -m build` has made."""

    sdist: Path
    wheel: Path

    @property
    def in_sdist(self) -> set[str]:
        """Files of the sdist, below its one folder."""
        with tarfile.open(self.sdist) as archive:
            return {member.name.partition("/")[2] for member in archive if member.isfile()}

    @property
    def in_wheel(self) -> set[str]:
        """Files of the wheel."""
        with zipfile.ZipFile(self.wheel) as archive:
            return set(archive.namelist())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The sdist, and the wheel that is built from it: nothing is fetched, the build has what this environment has."""
    output = tmp_path_factory.mktemp("dist")
    command = (sys.executable, "-m", "build", "--no-isolation", "--outdir", output, ROOT)
    result = run(*command, cwd=output, seconds=BUILD_S)
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-4000:]
    (sdist,), (wheel,) = output.glob("*.tar.gz"), output.glob("*.whl")
    return Built(sdist, wheel)


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin directory of an environment outside the checkout that has the wheel, and what it depends on."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, symlinks=True)
    site = next((home / "lib").glob("python3.*")) / "site-packages"
    # Everything that is installed here is there as well, but for this package as it is in the checkout.
    for package in Path(sysconfig.get_path("purelib")).iterdir():
        if not package.name.startswith(("__editable__", "amdgpu_hw", "__pycache__")):
            (site / package.name).symlink_to(package)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", f"--python={home / 'bin' / 'python'}")
    result = run(*pip, "install", "--no-index", "--no-deps", built.wheel, cwd=home)
    assert result.returncode == 0, result.stdout + result.stderr
    return home / "bin"


def test_the_archives_are_what_an_index_accepts(built: Built) -> None:
    """Metadata, licence, description."""
    result = run(sys.executable, "-m", "twine", "check", "--strict", built.sdist, built.wheel, cwd=built.wheel.parent)
    assert result.returncode == 0, result.stdout + result.stderr


def test_one_wheel_serves_every_python(built: Built) -> None:
    """Its name says so, and an audit of the symbols agrees."""
    assert "-cp311-abi3-linux_" in built.wheel.name
    compiled = {name for name in built.in_wheel if ".so" in name}
    assert {Path(name).name for name in compiled} == {
        f"{module}.abi3.so" for module in ("_libdrm", "_preload", "_transport", "_umockdev")
    }
    audit = run(sys.executable, "-m", "abi3audit", "--strict", "--verbose", built.wheel, cwd=built.wheel.parent)
    assert audit.returncode == 0, audit.stdout + audit.stderr


def test_the_wheel_has_the_suite_and_the_expectations(built: Built) -> None:
    """And nothing of the checkout's own: no tests of the harness, scripts, C sources, build folders."""
    suite = {f"amdgpu_hw/suite/{path.name}" for path in (ROOT / "tests" / "hw").glob("*.*")}
    expectations = {f"amdgpu_hw/expectations/{path.name}" for path in (ROOT / "expectations").glob("*.*")}
    assert len(suite) > 30
    assert suite | expectations <= built.in_wheel
    tops = {name.partition("/")[0] for name in built.in_wheel}
    assert {top.partition("-")[0] for top in tops} == {"amdgpu_hw"}
    foreign = (".c", ".h", ".o", ".pyc", ".md", ".sh")
    assert [name for name in built.in_wheel if name.endswith(foreign)] == []
    assert any(name.endswith("licenses/LICENSE") for name in built.in_wheel)


def test_the_sdist_has_all_that_is_in_the_repository(built: Built) -> None:
    """To build, to test, to read; and no result of a build."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no clone: nobody knows what is in the repository")
    tracked = {name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()}
    assert tracked <= built.in_sdist
    assert [name for name in built.in_sdist if name.endswith((".so", ".o", ".pyc"))] == []


def test_the_installed_package_validates_anywhere(installed: Path, tmp_path: Path) -> None:
    """From a directory that has nothing to do with it; results go there, expectations are found."""
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    (tmp_path / "conftest.py").write_text("raise RuntimeError('not asked for')\n")
    command = (installed / "amdgpu-hw", "validate", "--mock", "--kernel", "series-v1", "--expectations")
    result = run(*command, "-k", "B31 or B06", cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "MOCK" in result.stdout
    assert "Everything is as expected." in result.stdout
    assert str(ROOT) not in result.stdout + result.stderr
    (file,) = (tmp_path / "results").iterdir()
    content = json.loads(file.read_text())
    outcomes = {case["row"]: case["outcome"] for case in content["cases"]}
    assert (outcomes["B05"], outcomes["B06"], outcomes["B31"]) == ("holds", "holds", "broken")
    assert all("amdgpu_hw/suite/" in case["test"] for case in content["cases"])


def test_the_installed_suite_is_plain_pytest_too(installed: Path, tmp_path: Path) -> None:
    """By its name, without a file of the checkout."""
    command = (installed / "python", "-m", "pytest", "-p", "no:cacheprovider", "--pyargs", "amdgpu_hw.suite")
    result = run(*command, "--amdgpu-mock", "-k", "B06", cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "4 tests of 2 behaviours: 4 hold" in result.stdout


def test_results_that_cannot_be_written_are_one_sentence(installed: Path, tmp_path: Path) -> None:
    """Before anything runs: nobody waits for a verdict that is kept nowhere."""
    (tmp_path / "results").touch()
    result = run(installed / "amdgpu-hw", "validate", "--mock", "-k", "test_version", cwd=tmp_path)
    assert result.returncode == 2, result.stdout + result.stderr
    assert "no result file can be made in results: File exists; name another place with --results" in result.stderr
    assert "Traceback" not in result.stdout + result.stderr


def test_other_peoples_tests_are_left_alone(installed: Path, tmp_path: Path) -> None:
    """An unrelated run in that environment: its output is the same without the plugin."""
    (tmp_path / "test_unrelated.py").write_text(UNRELATED)
    command = (installed / "python", "-m", "pytest", "-v", "-p", "no:cacheprovider", "--no-header")
    ours, alone = (run(*command, *options, cwd=tmp_path) for options in ((), ("-p", "no:amdgpu_hw")))
    assert ours.returncode == alone.returncode == 0
    seen = [re.sub(r"in [\d.]+s", "", result.stdout) for result in (ours, alone)]
    assert seen[0] == seen[1]
