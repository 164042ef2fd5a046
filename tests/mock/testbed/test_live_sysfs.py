# SPDX-License-Identifier: MIT
"""Attributes in /sys that change while readers look on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from amdgpu_hw.gpu_model.gpus import load_identity
from amdgpu_hw.mock.pci import gpu_syspath
from amdgpu_hw.mock.testbed import umockdev
from amdgpu_hw.mock.testbed.live_sysfs import LiveSysfs
from amdgpu_hw.mock.testbed.sysfs import describe_gpu

DEVICE = gpu_syspath(0)
NAME = "mem_info_gtt_used"


@pytest.fixture
def testbed(tmp_path: Path) -> Iterator[umockdev.Testbed]:
    """A testbed with one GPU."""
    testbed = umockdev.Testbed(tmp_path)
    testbed.add(describe_gpu(load_identity("navi31"), 0, 0, 128))
    yield testbed
    testbed.close()


@pytest.fixture
def sysfs(testbed: umockdev.Testbed) -> LiveSysfs:
    """The kernel's hand on it; nothing here writes to attributes or takes nodes away."""
    return LiveSysfs(testbed, lambda _fd, _callback: None, lambda: None)


def test_a_live_attribute_shows_the_last_text_in_full(testbed: umockdev.Testbed, sysfs: LiveSysfs) -> None:
    """Longer and shorter texts replace each other; nothing of an earlier one is left behind."""
    store = sysfs.live_attribute(DEVICE, NAME)
    file = Path(f"{testbed.root}{DEVICE}/{NAME}")
    seen = []
    for text in ("4096\n", "8192\n", "1048576\n", "0\n"):
        store(text)
        seen.append(file.read_text())
    assert seen == ["4096\n", "8192\n", "1048576\n", "0\n"]


def test_who_has_a_live_attribute_open_reads_one_text(testbed: umockdev.Testbed, sysfs: LiveSysfs) -> None:
    """A text of another length is another file: a reader that is half through the old one never sees a mixture."""
    store = sysfs.live_attribute(DEVICE, NAME)
    store("1048576\n")
    with Path(f"{testbed.root}{DEVICE}/{NAME}").open() as reader:
        assert reader.read(3) == "104"
        store("77\n")
        assert reader.read() == "8576\n"


def test_a_live_attribute_of_a_device_that_is_gone_is_not_made_again(
    testbed: umockdev.Testbed, sysfs: LiveSysfs
) -> None:
    """Buffers outlive an unplugged GPU: what is freed then changes no file and raises nothing."""
    store = sysfs.live_attribute(DEVICE, NAME)
    store("4096\n")
    sysfs.remove_device(f"{DEVICE}/drm/card0")
    sysfs.remove_device(f"{DEVICE}/drm/renderD128")
    sysfs.remove_device(DEVICE)
    store("0\n")
    store("12345\n")
    assert not Path(f"{testbed.root}{DEVICE}").exists()
