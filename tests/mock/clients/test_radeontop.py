# SPDX-License-Identifier: MIT
"""radeontop: it reads registers, memory usage and sensors of the GPU, as any user."""

import re

import pytest

from amdgpu_hw.gpu_model.gpus import load_identity

from .running import RunClient, program

MIB = 1 << 20


@pytest.mark.parametrize("gpu", ["polaris10", "vega10", "navi10", "navi21", "navi31"])
def test_radeontop_shows_an_idle_gpu(run_client: RunClient, gpu: str) -> None:
    """Bus, load, used memory and clocks are those of the GPU with nobody on it."""
    identity = load_identity(gpu)
    outcome = run_client(gpu, program("radeontop", "radeontop"), "-d", "-", "-l", "1")
    line = outcome.lines[-1]
    used = dict(re.findall(r"(vram|gtt) [\d.]+% ([\d.]+)mb", line))
    clocks = dict(re.findall(r"(sclk|mclk) [\d.]+% ([\d.]+)ghz", line))
    assert " bus 03, gpu 0.00%, " in line, outcome
    assert float(used["vram"]) == pytest.approx(identity.memory.vram_pinned / MIB, abs=1)
    assert float(used["gtt"]) == pytest.approx(identity.memory.gtt_pinned / MIB, abs=1)
    # radeontop leaves out clocks that read 0: the lowest clocks of some GPUs are not known.
    idle = {"sclk": identity.clocks.engine[0], "mclk": identity.clocks.memory[0]}
    assert {name: round(float(value) * 1000) for name, value in clocks.items()} == {
        name: khz // 1000 for name, khz in idle.items() if khz
    }
