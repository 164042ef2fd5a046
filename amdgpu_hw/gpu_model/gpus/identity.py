# SPDX-License-Identifier: MIT
"""What makes one GPU different from another, as data.

Each dataclass is one table of a GPU's TOML file and its fields are the keys, so this file is the format's
documentation. Facts about real GPUs and where they come from are in PACKETS.md section 4.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated

from amdgpu_hw.decode import Within

__all__ = (
    "Caches",
    "Chip",
    "Clocks",
    "Gds",
    "IpBlock",
    "Memory",
    "ModelIdentity",
    "Pci",
    "Register",
    "Rings",
    "SdmaBlock",
    "Sensors",
    "Topology",
    "VirtualMemory",
)

Unsigned = Annotated[int, Within(range(1 << 64), "an unsigned integer")]

VENDOR_AMD = 0x1002

BROADCAST = 0xFFFFFFFF
"""`instance` of READ_MMR_REG: all shader engines and arrays."""


@dataclass(frozen=True, slots=True)
class Pci:
    """``[pci]``: configuration space."""

    device: Unsigned
    revision: Unsigned
    subsystem_device: Unsigned
    subsystem_vendor: Unsigned = VENDOR_AMD
    vendor: Unsigned = VENDOR_AMD
    class_code: Unsigned = 0x030000
    """0x030000 VGA controller, 0x038000 display controller, 0x120000 processing accelerator."""
    gen: Unsigned = 4
    """PCIe generation DEV_INFO reports; 0 where the driver could not tell."""
    lanes: Unsigned = 16


@dataclass(frozen=True, slots=True)
class Chip:
    """``[chip]``: how AMD's user space tells chips apart (PACKETS.md 4.1)."""

    family: Unsigned
    external_rev: Unsigned
    chip_rev: Unsigned = 0
    apu: bool = False
    """Part of a processor: IDS_FLAGS_FUSION, VRAM carved out of system memory."""
    conformant_truncation: bool = False
    """IDS_FLAGS_CONFORMANT_TRUNC_COORD (GFX11)."""
    preemption: bool = False
    """Mid-command-buffer preemption is on: IDS_FLAGS_PREEMPTION, and every VM maps a CSA."""
    ring_reset: bool = True
    """A hung ring can be reset alone; otherwise the whole GPU is."""
    tmz: bool = False
    """Encrypted buffers (IDS_FLAGS_TMZ)."""
    vbios: str = "113-MOCK-0000"
    """Part number in sysfs and INFO VBIOS."""


@dataclass(frozen=True, slots=True)
class IpBlock:
    """``[gc]``: `version` is the hardware's, `block` the driver file's, which INFO reports."""

    version: tuple[Unsigned, Unsigned, Unsigned]
    block: tuple[Unsigned, Unsigned]
    discovery: bool = True
    """Whether the version comes from the IP discovery table; before Vega10 it does not and INFO reports 0."""

    @property
    def discovery_version(self) -> int:
        """`ip_discovery_version` of HW_IP_INFO."""
        if not self.discovery:
            return 0
        major, minor, revision = self.version
        return major << 16 | minor << 8 | revision


@dataclass(frozen=True, slots=True)
class SdmaBlock(IpBlock):
    """``[sdma]``."""

    instances: Unsigned = 2
    """Engines of the hardware; HW_IP_COUNT reports them all."""
    page_queues: bool = False
    """SDMA 4.x: each engine has a second queue, used only for page tables (KERNEL.md 4.4)."""


@dataclass(frozen=True, slots=True)
class Rings:
    """``[rings]``: kernel queues the driver creates; a context sees at most 1, 4 and 2 of them."""

    gfx: Unsigned = 1
    compute: Unsigned = 8
    sdma: Unsigned = 2


@dataclass(frozen=True, slots=True)
class Topology:
    """``[topology]``: shader engines and what is on in them."""

    shader_engines: Unsigned
    arrays_per_engine: Unsigned
    cus_per_array: Unsigned
    cu_active: Unsigned
    cu_bitmap: tuple[tuple[Unsigned, ...], ...]
    """[4][4] as DEV_INFO lays it out; short rows and missing rows are 0."""
    rb_mask: Unsigned
    num_rb: Unsigned
    wave_size: Unsigned
    vgprs: Unsigned
    num_tcc: Unsigned
    cu_always_on_mask: Unsigned = 0
    ce_ram_size: Unsigned = 0
    gs_table_depth: Unsigned = 32
    gs_prim_depth: Unsigned = 1792
    gs_waves: Unsigned = 32
    double_offchip_lds: Unsigned = 0
    vce_harvest: Unsigned = 0
    tile_steering: Unsigned = 0
    tcc_disabled_mask: Unsigned = 0
    xcc: Unsigned = 1
    """Accelerator complexes; `cu_bitmap` shows the first one only."""


@dataclass(frozen=True, slots=True)
class Clocks:
    """``[clocks]``: all in kHz."""

    counter: Unsigned
    """Frequency of the counter INFO TIMESTAMP and the rings' timestamps read."""
    engine: tuple[Unsigned, Unsigned]
    """Lowest and highest shader clock."""
    memory: tuple[Unsigned, Unsigned]


@dataclass(frozen=True, slots=True)
class Memory:
    """``[memory]``: sizes in bytes."""

    type: Unsigned
    """`vram_type` of DEV_INFO: 6 HBM, 9 GDDR6, 12 LPDDR5, ... (PACKETS.md 4.2)."""
    bit_width: Unsigned
    vram: Unsigned
    gtt: Unsigned
    visible: Unsigned = 0
    """VRAM behind the PCI aperture; 0 = all of it (resizable BAR)."""
    vram_pinned: Unsigned = 0
    """VRAM the driver itself keeps where the CPU reaches it (firmware, rings, frame buffer console)."""
    vram_pinned_hidden: Unsigned = 0
    """VRAM it keeps at the end, which only a GPU with a small aperture hides from the CPU."""
    gtt_pinned: Unsigned = 0
    vendor: str = "samsung"
    """Who made the chips (`mem_info_vram_vendor`)."""

    @property
    def visible_vram(self) -> int:
        """Bytes of VRAM the CPU can reach."""
        return self.visible or self.vram

    @property
    def all_vram_pinned(self) -> int:
        """Bytes of VRAM the driver itself keeps."""
        return self.vram_pinned + self.vram_pinned_hidden


@dataclass(frozen=True, slots=True)
class VirtualMemory:
    """``[vm]``: the GPU's address space (KERNEL.md 3.1, 4.6)."""

    size_gib: Unsigned = 256 * 1024
    """48 bits from GFX9 on. Before, what the driver makes of the machine's RAM: 64 GiB to 1 TiB."""
    fragment_size: Unsigned = 9
    """log2 of the default fragment in pages."""
    first_kfd_vmid: Unsigned = 8
    """User jobs get the VMIDs 1 up to, not including, this one."""
    concurrent_flush: bool = True
    """A VMID can be flushed while a job uses it (Vega10 and later, except Navi10/14)."""
    retry_faults: bool = False
    """noretry=0: a fault is called one that the GPU retries (9.1, 9.2.2, 9.3.0 and GC 10.1)."""


@dataclass(frozen=True, slots=True)
class Gds:
    """``[gds]``: global data share in bytes, and how many semaphores and ordered-append counters there are."""

    size: Unsigned = 0x10000
    gws: Unsigned = 64
    oa: Unsigned = 16


@dataclass(frozen=True, slots=True)
class Caches:
    """``[caches]``: KiB, except `mall` in bytes; all 0 on GPUs whose discovery table does not say."""

    tcp: Unsigned = 0
    sqc_per_wgp: Unsigned = 0
    sqc_data: Unsigned = 0
    sqc_inst: Unsigned = 0
    gl1c: Unsigned = 0
    gl2c: Unsigned = 0
    mall: Unsigned = 0


@dataclass(frozen=True, slots=True)
class Sensors:
    """``[sensors]``: readings of an idle GPU."""

    temperature: Unsigned = 42
    """Degrees Celsius."""
    load: Unsigned = 0
    """Percent."""
    power: Unsigned = 15
    """Watts."""
    vddgfx: Unsigned = 725
    """Millivolts."""
    vddnb: Unsigned = 0
    """Millivolts; 0 = there is no such rail (discrete GPUs)."""


@dataclass(frozen=True, slots=True)
class Register:
    """``[[registers]]``: consecutive registers READ_MMR_REG may read; all others are refused (EFAULT)."""

    offset: Unsigned
    """Dword offset of the first."""
    values: tuple[Unsigned, ...]
    instance: Unsigned = BROADCAST
    """Shader engine and array they belong to: 0xff00 + n is engine n; the default answers for all of them."""


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Everything that makes one GPU different from another."""

    name: str
    """The file's name without ``.toml``; what ``--gpu`` and ``--mock`` take."""
    marketing_name: str
    """What libdrm calls it (amdgpu.ids)."""
    codename: str
    """Chip name as in dmesg: VEGA10; for all that have no name of their own in the driver, IP DISCOVERY."""
    pci: Pci
    chip: Chip
    gc: IpBlock
    sdma: SdmaBlock
    topology: Topology
    clocks: Clocks
    memory: Memory
    rings: Rings = Rings()
    vm: VirtualMemory = VirtualMemory()
    gds: Gds = Gds()
    caches: Caches = Caches()
    sensors: Sensors = Sensors()
    firmware: MappingProxyType[str, tuple[Unsigned, Unsigned]] = field(default_factory=lambda: MappingProxyType({}))
    """Name of a firmware (`amdgpu_kms.info.FIRMWARE`) -> version, feature version; unlisted ones are 0, 0."""
    registers: tuple[Register, ...] = ()

    @property
    def gc_version(self) -> tuple[int, int, int]:
        """GC (graphics and compute) version, e.g. (11, 0, 0)."""
        return self.gc.version

    @property
    def sdma_version(self) -> tuple[int, int, int]:
        """SDMA version, e.g. (6, 0, 0)."""
        return self.sdma.version
