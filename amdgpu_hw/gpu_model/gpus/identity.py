# SPDX-License-Identifier: MIT
"""What makes one GPU different from another, as data.

Each dataclass is one table of a GPU's TOML file and its fields are the keys, so this file is the format's
documentation. Facts about real GPUs and where they come from are in PACKETS.md section 4.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType

__all__ = (
    "Caches",
    "Chip",
    "Clocks",
    "Gds",
    "GpuIdentity",
    "IpBlock",
    "Memory",
    "Pci",
    "Register",
    "Rings",
    "SdmaBlock",
    "Sensors",
    "Topology",
    "VirtualMemory",
)

VENDOR_AMD = 0x1002

BROADCAST = 0xFFFFFFFF
"""`instance` of READ_MMR_REG: all shader engines and arrays."""


@dataclass(frozen=True, slots=True)
class Pci:
    """``[pci]``: configuration space."""

    device: int
    revision: int
    subsystem_device: int
    subsystem_vendor: int = VENDOR_AMD
    vendor: int = VENDOR_AMD
    class_code: int = 0x030000
    """0x030000 VGA controller, 0x038000 display controller, 0x120000 processing accelerator."""
    gen: int = 4
    """PCIe generation DEV_INFO reports; 0 where the driver could not tell."""
    lanes: int = 16


@dataclass(frozen=True, slots=True)
class Chip:
    """``[chip]``: how AMD's user space tells chips apart (PACKETS.md 4.1)."""

    family: int
    external_rev: int
    chip_rev: int = 0
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

    version: tuple[int, int, int]
    block: tuple[int, int]
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

    instances: int = 2
    """Engines of the hardware; HW_IP_COUNT reports them all."""
    page_queues: bool = False
    """SDMA 4.x: each engine has a second queue, used only for page tables (KERNEL.md 4.4)."""


@dataclass(frozen=True, slots=True)
class Rings:
    """``[rings]``: kernel queues the driver creates; a context sees at most 1, 4 and 2 of them."""

    gfx: int = 1
    compute: int = 8
    sdma: int = 2


@dataclass(frozen=True, slots=True)
class Topology:
    """``[topology]``: shader engines and what is on in them."""

    shader_engines: int
    arrays_per_engine: int
    cus_per_array: int
    cu_active: int
    cu_bitmap: tuple[tuple[int, ...], ...]
    """[4][4] as DEV_INFO lays it out; short rows and missing rows are 0."""
    rb_mask: int
    num_rb: int
    wave_size: int
    vgprs: int
    num_tcc: int
    cu_always_on_mask: int = 0
    ce_ram_size: int = 0
    gs_table_depth: int = 32
    gs_prim_depth: int = 1792
    gs_waves: int = 32
    double_offchip_lds: int = 0
    vce_harvest: int = 0
    tile_steering: int = 0
    tcc_disabled_mask: int = 0
    xcc: int = 1
    """Accelerator complexes; `cu_bitmap` shows the first one only."""


@dataclass(frozen=True, slots=True)
class Clocks:
    """``[clocks]``: all in kHz."""

    counter: int
    """Frequency of the counter INFO TIMESTAMP and the rings' timestamps read."""
    engine: tuple[int, int]
    """Lowest and highest shader clock."""
    memory: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Memory:
    """``[memory]``: sizes in bytes."""

    type: int
    """`vram_type` of DEV_INFO: 6 HBM, 9 GDDR6, 12 LPDDR5, ... (PACKETS.md 4.2)."""
    bit_width: int
    vram: int
    gtt: int
    visible: int = 0
    """VRAM behind the PCI aperture; 0 = all of it (resizable BAR)."""
    vram_pinned: int = 0
    """VRAM the driver itself keeps where the CPU reaches it (firmware, rings, frame buffer console)."""
    vram_pinned_hidden: int = 0
    """VRAM it keeps at the end, which only a GPU with a small aperture hides from the CPU."""
    gtt_pinned: int = 0
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

    size_gib: int = 256 * 1024
    """48 bits from GFX9 on. Before, what the driver makes of the machine's RAM: 64 GiB to 1 TiB."""
    fragment_size: int = 9
    """log2 of the default fragment in pages."""
    first_kfd_vmid: int = 8
    """User jobs get the VMIDs 1 up to, not including, this one."""
    concurrent_flush: bool = True
    """A VMID can be flushed while a job uses it (Vega10 and later, except Navi10/14)."""
    retry_faults: bool = False
    """noretry=0: a fault is called one that the GPU retries (9.1, 9.2.2, 9.3.0 and GC 10.1)."""


@dataclass(frozen=True, slots=True)
class Gds:
    """``[gds]``: global data share in bytes, and how many semaphores and ordered-append counters there are."""

    size: int = 0x10000
    gws: int = 64
    oa: int = 16


@dataclass(frozen=True, slots=True)
class Caches:
    """``[caches]``: KiB, except `mall` in bytes; all 0 on GPUs whose discovery table does not say."""

    tcp: int = 0
    sqc_per_wgp: int = 0
    sqc_data: int = 0
    sqc_inst: int = 0
    gl1c: int = 0
    gl2c: int = 0
    mall: int = 0


@dataclass(frozen=True, slots=True)
class Sensors:
    """``[sensors]``: readings of an idle GPU."""

    temperature: int = 42
    """Degrees Celsius."""
    load: int = 0
    """Percent."""
    power: int = 15
    """Watts."""
    vddgfx: int = 725
    """Millivolts."""
    vddnb: int = 0
    """Millivolts; 0 = there is no such rail (discrete GPUs)."""


@dataclass(frozen=True, slots=True)
class Register:
    """``[[registers]]``: consecutive registers READ_MMR_REG may read; all others are refused (EFAULT)."""

    offset: int
    """Dword offset of the first."""
    values: tuple[int, ...]
    instance: int = BROADCAST
    """Shader engine and array they belong to: 0xff00 + n is engine n; the default answers for all of them."""


@dataclass(frozen=True, slots=True)
class GpuIdentity:
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
    firmware: MappingProxyType[str, tuple[int, int]] = field(default_factory=lambda: MappingProxyType({}))
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
