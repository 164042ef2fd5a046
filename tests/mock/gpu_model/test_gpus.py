# SPDX-License-Identifier: MIT
"""The TOML files of the mock GPUs and the loader that checks them."""

from __future__ import annotations

from importlib import resources

import pytest

from amdgpu_hw.gpu_model import gpus
from amdgpu_hw.gpu_model.gpus import IdentityError, UnknownGpu, gpu_names, load_identity, parse_identity


def text_of(name: str) -> str:
    """A GPU's file."""
    return (resources.files(gpus) / f"{name}.toml").read_text(encoding="utf-8")


def test_every_generation_is_there() -> None:
    """GFX8 to GFX12, CDNA 1 to 4; discrete GPUs and parts of processors."""
    cdna, processors = {"mi100", "mi200", "mi300x", "mi350x"}, {"renoir", "phoenix", "strix"}
    boards = {"polaris10", "vega10", "vega20", "navi10", "navi21", "navi31", "navi33", "navi44", "navi48"}
    assert set(gpu_names()) >= cdna | processors | boards
    identities = [load_identity(name) for name in cdna | processors | boards]
    assert {identity.gc.version[0] for identity in identities} == {8, 9, 10, 11, 12}
    assert {identity.name for identity in identities if identity.chip.apu} == processors
    assert {identity.name for identity in identities if not identity.rings.gfx} == cdna


@pytest.mark.parametrize("name", gpu_names())
def test_every_file_says_where_its_values_are_from(name: str) -> None:
    """A section of the reference; and where that has no dump of a real GPU, which values nobody has verified."""
    text = text_of(name)
    assert "(PACKETS.md 4.4." in text
    if "There is no dump" in text:
        assert text.count("unverified") > 5


@pytest.mark.parametrize("name", gpu_names())
def test_every_file_loads(name: str) -> None:
    """Each file passes its own checks and says who it is."""
    identity = load_identity(name)
    assert identity.name == name
    assert identity.marketing_name.startswith("AMD")


def test_no_two_gpus_look_the_same_to_clients() -> None:
    """Family and external revision tell chips apart, device and revision boards."""
    identities = [load_identity(name) for name in gpu_names()]
    assert len({(i.chip.family, i.chip.external_rev) for i in identities}) == len(identities)
    assert len({(i.pci.device, i.pci.revision) for i in identities}) == len(identities)


def test_navi31_is_what_the_dump_says() -> None:
    """Spot checks against the table of PACKETS.md 4.4.9."""
    navi31 = load_identity("navi31")
    assert (navi31.pci.device, navi31.pci.revision, navi31.chip.family) == (0x744C, 0xC8, 145)
    assert navi31.gc.discovery_version == 0xB0000
    assert navi31.sdma.discovery_version == 0x60000
    assert navi31.topology.cu_active == 96
    assert navi31.memory.visible_vram == navi31.memory.vram == 25753026560


def test_mi300x_has_no_graphics_but_page_queues() -> None:
    """CDNA: compute and SDMA rings only, page tables through the SDMA page queues, two VMIDs."""
    mi300x = load_identity("mi300x")
    assert mi300x.rings.gfx == 0
    assert mi300x.sdma.page_queues
    assert mi300x.vm.first_kfd_vmid == 3
    assert mi300x.pci.class_code == 0x120000


def test_navi21_has_a_small_aperture() -> None:
    """Without resizable BAR the CPU sees 256 MiB of the VRAM."""
    assert load_identity("navi21").memory.visible_vram == 256 << 20


def test_an_unknown_name_lists_the_known_ones() -> None:
    """A typing error on the command line ends with one helpful sentence."""
    with pytest.raises(UnknownGpu, match=r"no mock GPU called 'navi99'; there are: .*mi300x.*navi31"):
        load_identity("navi99")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("device = 0x744c", "", r"toy\.toml: the key 'pci\.device' is missing"),
        ("device = 0x744c", 'device = "x"', r"toy\.toml: the key 'pci\.device' must be an unsigned integer, not 'x'"),
        ("device = 0x744c", "device = 0x1744c", r"toy\.toml: the key 'pci' must be of PCI's field widths"),
        ("counter = 100000", "counter = 0", r"'clocks\.counter' must be positive"),
        ("counter = 100000", "counter = -1", r"'clocks\.counter' must be an unsigned integer"),
        ("counter = 100000", "counter = true", r"'clocks\.counter' must be an unsigned integer, not True"),
        ("version = [11, 0, 0]", "version = [11, 0]", r"'gc\.version' must be an array of 3, not \[11, 0\]"),
        ("cu_active = 96", "cu_active = 95", r"'topology\.cu_active' must be 96, as many as cu_bitmap has bits"),
        ("bit_width = 384", "bit_width = 384\nspeed = 1", r"there is no key 'memory\.speed'"),
        ("me = [1486, 29]", "me = 1486", r"'firmware\.me' must be an array, not 1486"),
        ("[pci]", "[pci", r"toy\.toml is not TOML: "),
        ('codename = "IP DISCOVERY"', 'codename = "x"\nname = "x"', r"the key 'name' is not allowed"),
        ("vram = 25753026560", "vram = 25753026561", r"'memory\.vram' must be a positive multiple of 4096"),
    ],
)
def test_a_wrong_file_names_file_and_key(old: str, new: str, message: str) -> None:
    """One sentence with file and key, whatever is wrong: no traceback from deep inside."""
    assert old in text_of("navi31")
    with pytest.raises(IdentityError, match=message):
        parse_identity("toy", text_of("navi31").replace(old, new, 1))


def test_a_gpu_without_discovery_table_reports_version_0() -> None:
    """GPUs before Vega10 have no IP discovery: HW_IP_INFO gives 0 for it."""
    polaris10 = load_identity("polaris10")
    assert (polaris10.gc.discovery_version, polaris10.sdma.discovery_version) == (0, 0)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("size_gib = 128", "size_gib = 100", r"'vm\.size_gib' must be 64, 128, 256, 512 or 1024 before GFX9"),
        ("size_gib = 128", "size_gib = 2048", r"'vm\.size_gib' must be 64, 128, 256, 512 or 1024 before GFX9"),
        ("version = [3, 1, 0]", "version = [1, 0, 0]", r"'sdma\.version' must be 2\.0 or later"),
        ("instances = 2", "instances = 2\npage_queues = true", r"'sdma\.page_queues' must be false: only SDMA 4"),
        ("visible = 268435456", "vram_pinned_hidden = 4096", r"'memory\.vram_pinned_hidden' must be at most what"),
    ],
)
def test_what_no_gpu_of_its_generation_can_have_is_refused(old: str, new: str, message: str) -> None:
    """Before the mock machine starts, not as an error in the middle of the driver."""
    assert old in text_of("polaris10")
    with pytest.raises(IdentityError, match=message):
        parse_identity("toy", text_of("polaris10").replace(old, new, 1))


@pytest.mark.parametrize("gib", [64, 1024])
def test_address_space_before_gfx9_may_have_any_size_the_driver_makes(gib: int) -> None:
    """It follows the size of system memory: 64 GiB up to all of the 40 bits."""
    text = text_of("polaris10").replace("size_gib = 128", f"size_gib = {gib}", 1)
    assert parse_identity("toy", text).vm.size_gib == gib


def test_registers_of_one_shader_engine_can_be_described() -> None:
    """GFX8 and older answer READ_MMR_REG differently for each engine."""
    text = text_of("navi31") + "\n[[registers]]\noffset = 0xa0d4\ninstance = 0xff01\nvalues = [0x16000012, 0x2a]\n"
    register = parse_identity("toy", text).registers[-1]
    assert (register.offset, register.instance, register.values) == (0xA0D4, 0xFF01, (0x16000012, 0x2A))
