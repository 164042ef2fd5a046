# SPDX-License-Identifier: MIT
"""The contracts about imports (pyproject.toml, scripts/layers.toml) hold, and notice what they are there for."""

import graphlib
import shutil
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

TOP = Path(__file__).parents[2]
CONTRACTS = ("pyproject.toml", "scripts/layers.toml")


def lint_imports(tree: Path, contracts: str) -> subprocess.CompletedProcess[str]:
    """Check the contracts of one file against a tree."""
    program = Path(sys.executable).with_name("lint-imports")
    command = [str(program), contracts, "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of everything that the contracts read."""
    for name in ("amdgpu_hw", "tests"):
        shutil.copytree(TOP / name, tmp_path / name, ignore=lambda directory, names: _no_source(directory, names))
    for name in CONTRACTS:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(TOP / name, tmp_path / name)
    return tmp_path


def _no_source(directory: str, names: list[str]) -> list[str]:
    return [name for name in names if not (name.endswith(".py") or Path(directory, name).is_dir())]


@pytest.mark.parametrize(
    ("file", "line", "contracts", "broken"),
    [
        ("amdgpu_hw/proof/must.py", "import amdgpu_hw.mock.machine", "pyproject.toml", "amdgpu_hw.proof.must"),
        ("amdgpu_hw/sync.py", "from amdgpu_hw.mock import machine", "pyproject.toml", "amdgpu_hw.sync"),
        ("tests/hw/test_prt.py", "import amdgpu_hw.gpu_model.gpu", "pyproject.toml", "tests.hw.test_prt"),
        ("amdgpu_hw/gpu_model/ring.py", "import amdgpu_hw.mock.kernel.wait", "pyproject.toml", "gpu_model.ring"),
        ("amdgpu_hw/mock/server.py", "import amdgpu_hw.gpu", "pyproject.toml", "amdgpu_hw.mock.server"),
        ("amdgpu_hw/new_module.py", "import os", "pyproject.toml", "amdgpu_hw.new_module"),
        (
            "amdgpu_hw/mock/kernel/drm/drm_gem.py",
            "import amdgpu_hw.mock.kernel.amdgpu.amdgpu_device",
            "scripts/layers.toml",
            "kernel.drm.drm_gem",
        ),
        (
            "amdgpu_hw/mock/kernel/wait.py",
            "import amdgpu_hw.mock.kernel.dma_buf.dma_fence",
            "scripts/layers.toml",
            "kernel.wait",
        ),
    ],
)
def test_an_import_that_crosses_a_boundary_is_named(
    tree: Path, file: str, line: str, contracts: str, broken: str
) -> None:
    """`lint-imports`, which scripts/test runs, fails and names the module that knows too much."""
    with (tree / file).open("a", encoding="utf-8") as source:
        source.write(f"{line}\n")
    result = lint_imports(tree, contracts)
    assert result.returncode == 1, f"{line} in {file} breaks no contract: {result.stdout}{result.stderr}"
    assert broken in result.stdout, f"what breaks the contract is not named: {result.stdout}"


def test_no_module_imports_itself_through_others() -> None:
    """Modules can be imported in any order: there is no cycle among imports that happen at run time."""
    graph = grimp.build_graph("amdgpu_hw", exclude_type_checking_imports=True, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    try:
        graphlib.TopologicalSorter(imports).prepare()
    except graphlib.CycleError as error:
        pytest.fail(f"import cycle: {' <- '.join(error.args[1])}")
