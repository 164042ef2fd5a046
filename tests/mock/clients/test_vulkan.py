# SPDX-License-Identifier: MIT
"""RADV, Mesa's Vulkan driver: vulkaninfo, and two programs of ours that check data: sparse binding, buffer commands.

Debian 12 has RADV 22.3.6, which knows the GPUs up to GFX11.0.
"""

import re
from pathlib import Path

import pytest

from amdgpu_hw.gpu_model.gpus import load_identity

from .running import BOUND_TILES, RunClient, compiled_sparse_binding, compiled_vulkan, program, require_radv

CODENAMES = {
    "navi21": "NAVI21",
    "navi31": "GFX1100|NAVI31",
    "navi10": "NAVI10",
    "vega10": "VEGA10",
    "polaris10": "POLARIS10",
}
"""What RADV calls these GPUs; 22.3 did not have the names of GFX11 yet."""

CP_DMA_TOLERATES_HOLES = 10
"""First GC version whose CP DMA does not hang at a PRT hole (PACKETS.md 5.5). RADV 22.3 uses it on all of them."""

TILE_SIZES = {"4KiB": 1 << 12, "64KiB": 1 << 16, "2MiB": 1 << 21}
"""A page-table entry, some entries, a page directory's entry."""


@pytest.fixture(scope="session")
def sparse_binding(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled program."""
    return compiled_sparse_binding(tmp_path_factory.mktemp("clients"))


@pytest.fixture(scope="session")
def buffer_commands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled program."""
    return compiled_vulkan("buffer_commands", tmp_path_factory.mktemp("clients"))


@pytest.fixture(autouse=True)
def radv() -> None:
    """Skips where RADV is not installed."""
    require_radv()


@pytest.mark.parametrize("gpu", CODENAMES)
def test_vulkaninfo_names_the_gpu_and_radv(run_client: RunClient, gpu: str) -> None:
    """RADV recognises the GPU by its identity and says that it is discrete."""
    outcome = run_client(gpu, program("vulkan-tools", "vulkaninfo"), "--summary")
    shown = dict(re.findall(r"^(\w+) += (.*)$", "\n".join(_first_device(outcome.lines)), re.MULTILINE))
    assert shown["driverID"] == "DRIVER_ID_MESA_RADV", outcome
    assert shown["deviceID"] == f"{load_identity(gpu).pci.device:#06x}"
    assert shown["deviceType"] == "PHYSICAL_DEVICE_TYPE_DISCRETE_GPU"
    assert re.search(rf"\(RADV ({CODENAMES[gpu]})\)$", shown["deviceName"]), shown["deviceName"]


def test_vulkaninfo_shows_heaps_clock_and_sparse_features(run_client: RunClient) -> None:
    """What an application decides by: heap sizes, timestamp period, bus and sparse residency are the GPU's."""
    identity = load_identity("navi21")
    outcome = run_client("navi21", program("vulkan-tools", "vulkaninfo"))
    shown: dict[str, list[str]] = {}
    for name, value in re.findall(r"^(\w+) += (\S+)", "\n".join(_first_device(outcome.lines)), re.MULTILINE):
        shown.setdefault(name, []).append(value)
    sparse = ("sparseBinding", "sparseResidencyBuffer", "sparseResidencyAliased", "residencyNonResidentStrict")
    assert all(shown[name] == ["true"] for name in sparse), outcome
    assert shown["pciBus"] == ["3"]
    assert shown["timestampPeriod"] == [str(1_000_000 // identity.clocks.counter)]
    assert str(identity.memory.visible_vram) in shown["size"]
    assert str(identity.memory.gtt) in shown["size"]


@pytest.mark.parametrize("tile_size", TILE_SIZES)
@pytest.mark.parametrize("gpu", CODENAMES)
def test_sparse_binding_keeps_every_byte_in_its_place(
    run_client: RunClient, sparse_binding: Path, gpu: str, tile_size: str
) -> None:
    """Bound tiles keep data, unbound ones read 0 and drop writes, rebound ones show the new memory."""
    whole = load_identity(gpu).gc_version[0] >= CP_DMA_TOLERATES_HOLES
    outcome = run_client(gpu, sparse_binding, str(TILE_SIZES[tile_size]), *([] if whole else ["bound"]))
    assert outcome.lines[0].startswith("device: ")
    assert re.search(rf"\(RADV ({CODENAMES[gpu]})\)$", outcome.lines[0]), outcome.lines[0]
    assert [line for line in outcome.lines if line.startswith("ok: ")] == [
        *(["ok: unbound tiles read 0 and drop writes"] if whole else []),
        *BOUND_TILES,
    ]
    name, words = outcome.lines[-1].split(": ")
    assert name == "checked words"
    assert int(words) > 500_000


@pytest.mark.parametrize("gpu", CODENAMES)
def test_fills_copies_and_updates_write_every_byte(run_client: RunClient, buffer_commands: Path, gpu: str) -> None:
    """From 4 KiB on RADV fills and copies memory of the GPU with compute shaders."""
    outcome = run_client(gpu, buffer_commands)
    assert [line for line in outcome.lines if line.startswith("ok: ")] == [
        "ok: 8 fills",
        "ok: 12 copies",
        "ok: 4 updates",
    ]


def _first_device(lines: list[str]) -> list[str]:
    """The part of vulkaninfo's output that is about GPU0; behind it comes llvmpipe, which needs no GPU."""
    first = lines.index("GPU0:")
    return lines[first : lines.index("GPU1:")] if "GPU1:" in lines else lines[first:]
