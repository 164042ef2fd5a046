# SPDX-License-Identifier: MIT
"""The system management unit: the power management firmware of MP1 behind its mailbox (smu_v11_0.c, smu_v13_0.c).

The driver writes an argument, then the number of a message, and waits for a response (smu_cmn.c). The GPU that this
firmware manages is always idle, has the clocks of its TOML file and never gets warm. A message that the firmware does
not have is answered as unknown; so is one that is not modelled, and the machine's log has its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from amdgpu_hw.gpu_model.translation import EntryKind

from .firmware import PAYLOAD
from .smu_tables import (
    DRIVER_SMU_CONFIG,
    FEATURES,
    GFXCLK,
    OVERDRIVE,
    OVERDRIVE_13,
    PPTABLE,
    PPTABLE_13,
    UCLK,
    TableLayout,
    build_combined_table,
    build_metrics,
    build_metrics_13,
    levels,
)

if TYPE_CHECKING:
    from amdgpu_hw.gpu_model.gpu import GpuCore
    from amdgpu_hw.gpu_model.gpus import ModelIdentity
    from amdgpu_hw.gpu_model.loop import TimerHandle
    from amdgpu_hw.gpu_model.translation import Translator

    from .log import MachineLog
    from .memory import PhysicalMemory
    from .nbio import Nbio
    from .registers import RegisterFile

__all__ = ("SMU_11_0_7", "SMU_13_0_0", "Response", "Smu", "SmuNames")

M32 = 0xFFFF_FFFF

# SMN addresses.
FIRMWARE_FLAGS, INTERRUPTS_ENABLED = 0x3B1_0024, 1
"""MP1_FIRMWARE_FLAGS: the firmware runs (smu_v11_0_check_fw_status)."""
PUBLIC_CONTROL, RESET = 0x3B1_0B14, 1
"""MP1_PUB_CTRL: hold the processor in reset (smu_v11_0_load_microcode)."""
SRAM = 0x3C0_0004
"""MP1_SRAM: as much of it as our firmware file fills, which has no code."""
TRACE_BUFFER = 0x3B3_0204
"""MP1_PMI_3_START: there is no smart trace buffer (sienna_cichlid_stb_init)."""

RESET_AFTER_NS = 200_000_000
"""From Mode1Reset on: the driver waits for the response, then sleeps 500 ms (smu_v11_0_mode1_reset)."""
LEVEL_COUNT = 0xFF
"""In place of a level: how many there are (smu_v11_0_get_dpm_level_count)."""
VID_SHIFT = 16
"""SMUSVI0_TEL_PLANE0: the voltage's number (smu_v11_0_get_gfx_vdd)."""


class Response(IntEnum):
    """PPSMC_Result_*."""

    OK = 0x1
    FAILED = 0xFF
    UNKNOWN = 0xFE


class Table(IntEnum):
    """TABLE_* that the driver transfers."""

    PPTABLE = 0
    COMBINED = 1
    """TABLE_COMBO_PPTABLE of SMU 13."""
    SMU_METRICS = 5
    DRIVER_SMU_CONFIG = 6
    OVERDRIVE = 8


FIRST_MESSAGES = """
    TestMessage GetSmuVersion GetDriverIfVersion SetAllowedFeaturesMaskLow SetAllowedFeaturesMaskHigh
    EnableAllSmuFeatures DisableAllSmuFeatures EnableSmuFeaturesLow EnableSmuFeaturesHigh
    DisableSmuFeaturesLow DisableSmuFeaturesHigh GetRunningSmuFeaturesLow GetRunningSmuFeaturesHigh
    SetDriverDramAddrHigh SetDriverDramAddrLow SetToolsDramAddrHigh SetToolsDramAddrLow
    TransferTableSmu2Dram TransferTableDram2Smu UseDefaultPPTable EnterBaco ExitBaco ArmD3 BacoAudioD3PME
    SetSoftMinByFreq SetSoftMaxByFreq SetHardMinByFreq SetHardMaxByFreq GetMinDpmFreq GetMaxDpmFreq
    GetDpmFreqByIndex OverridePcieParameters DramLogSetDramAddrHigh
"""
"""From 1 on, as SMU 11.0.7 and 13.0.0 both number them."""


@dataclass(frozen=True, slots=True)
class SmuNames:
    """What differs between versions of the firmware."""

    interface: int
    """Version of the tables (SMU11_DRIVER_IF_VERSION)."""
    messages: Mapping[int, str]
    """Number -> name, as far as the driver knows them."""
    pptable: TableLayout
    overdrive: TableLayout
    metrics: Callable[[ModelIdentity, int, int], bytes]
    """Of a GPU whose clocks are so many MHz: the shaders', the memory's."""
    taken: Mapping[int, TableLayout]
    """Tables that the driver hands over."""
    combined: Callable[[ModelIdentity], bytes] | None = None
    """The board's table, where the firmware has it and not the BIOS."""
    debug_reset: int | None = None
    """Message of the second mailbox, which nobody answers, that means a mode-1 reset."""


SMU_11_0_7 = SmuNames(
    interface=0x40,
    pptable=PPTABLE,
    overdrive=OVERDRIVE,
    metrics=build_metrics,
    taken={Table.PPTABLE: PPTABLE, Table.DRIVER_SMU_CONFIG: DRIVER_SMU_CONFIG},
    messages=dict(
        enumerate(
            f"""
            {FIRST_MESSAGES}
            SetWorkloadMask SetUclkFastSwitch
            GetVoltageByDpm SetVideoFps GetDcModeMaxDpmFreq DramLogSetDramAddrLow AllowGfxOff DisallowGfxOff
            PowerUpVcn PowerDownVcn PowerUpJpeg PowerDownJpeg PrepareMp1ForUnload DramLogSetDramSize Mode1Reset
            SetSystemVirtualDramAddrHigh SetPptLimit GetPptLimit ReenableAcDcInterrupt NotifyPowerSource RunDcBtc
            """.split(),
            start=1,
        )
    )
    | {
        0x38: "SetSystemVirtualDramAddrLow", 0x39: "SetMemoryChannelEnable", 0x3A: "SetDramBitWidth",
        0x3B: "SetGeminiMode", 0x3C: "SetGeminiApertureHigh", 0x3D: "SetGeminiApertureLow",
        0x3E: "SetTemperatureInputSelect", 0x3F: "SetFwDstatesMask", 0x40: "SetThrottlerMask",
        0x41: "SetExternalClientDfCstateAllow", 0x42: "EnableOutOfBandMonTesting", 0x43: "SetMGpuFanBoostLimitRpm",
        0x44: "SetNumBadHbmPagesRetired", 0x45: "SetGpoFeaturePMask", 0x46: "SetSMBUSInterrupt", 0x56: "DisallowGpo",
        0x57: "Enable2ndUSB20Port", 0x5D: "DriverMode2Reset",
    },
)  # fmt: skip
"""Navi21 (smu_v11_0_7_ppsmc.h)."""

SMU_13_0_0 = SmuNames(
    interface=0x3D,
    pptable=PPTABLE_13,
    overdrive=OVERDRIVE_13,
    metrics=build_metrics_13,
    taken={Table.PPTABLE: PPTABLE_13},
    combined=build_combined_table,
    debug_reset=2,
    messages=dict(
        enumerate(
            f"""
            {FIRST_MESSAGES}
            DramLogSetDramAddrLow DramLogSetDramSize
            SetWorkloadMask GetVoltageByDpm SetVideoFps GetDcModeMaxDpmFreq AllowGfxOff DisallowGfxOff PowerUpVcn
            PowerDownVcn PowerUpJpeg PowerDownJpeg PrepareMp1ForUnload Mode1Reset SetSystemVirtualDramAddrHigh
            SetSystemVirtualDramAddrLow SetPptLimit GetPptLimit ReenableAcDcInterrupt NotifyPowerSource RunDcBtc
            GetDebugData SetTemperatureInputSelect SetFwDstatesMask SetThrottlerMask SetExternalClientDfCstateAllow
            SetMGpuFanBoostLimitRpm DumpSTBtoDram STBtoDramLogSetDramAddrHigh STBtoDramLogSetDramAddrLow
            STBtoDramLogSetDramSize SetGpoAllow AllowGfxDcs DisallowGfxDcs EnableAudioStutterWA PowerUpUmsch
            PowerDownUmsch SetDcsArch TriggerVFFLR SetNumBadMemoryPagesRetired
            SetBadMemoryPagesRetiredFlagsPerChannel SetPriorityDeltaGain AllowIHHostInterrupt
            """.split(),
            start=1,
        )
    )
    | {0x4E: "DALNotPresent", 0x4F: "Mode2Reset", 0x51: "EnableUCLKShadow"},
)
"""Navi31 (smu_v13_0_0_ppsmc.h)."""

ACCEPTED = frozenset(
    {
        # Where the tools' log would go, calibration, hints: an idle GPU that is never off does nothing with them.
        "SetToolsDramAddrHigh",
        "SetToolsDramAddrLow",
        "RunDcBtc",
        "SetWorkloadMask",
        "NotifyPowerSource",
        "OverridePcieParameters",
        "AllowGfxOff",
        "DisallowGfxOff",
        "Enable2ndUSB20Port",
        # There is no display, whose clocks would have to be kept.
        "DALNotPresent",
        # The data fabric is never asleep.
        "SetExternalClientDfCstateAllow",
    }
)
"""Messages that need no more than to be taken."""


class Smu:
    """MP1 of one GPU."""

    def __init__(
        self,
        identity: ModelIdentity,
        names: SmuNames,
        registers: RegisterFile,
        nbio: Nbio,
        memory: PhysicalMemory,
        system: Translator,
        core: GpuCore,
        mode1_reset: Callable[[], None],
        log: MachineLog,
    ) -> None:
        """Connect the mailbox; ``system`` is what the driver's own address space is in, VMID 0."""
        self._identity = identity
        self._names = names
        self._registers = registers
        self._memory = memory
        self._system = system
        self._core = core
        self._mode1_reset = mode1_reset
        self._log = log
        self._resetting: TimerHandle | None = None
        at = registers.table.offset
        message = at("MP1", "MP1_SMN_C2PMSG_66")
        self._argument = at("MP1", "MP1_SMN_C2PMSG_82")
        self._response = at("MP1", "MP1_SMN_C2PMSG_90")
        registers.on_write(message, self._receive)
        if names.debug_reset is not None:
            registers.on_write(at("MP1", "MP1_SMN_C2PMSG_75"), self._receive_debug)
        self._nbio = nbio
        nbio.smn_default(FIRMWARE_FLAGS, INTERRUPTS_ENABLED)
        for address in (TRACE_BUFFER, PUBLIC_CONTROL, *range(SRAM, SRAM + len(PAYLOAD), 4)):
            nbio.smn_default(address, 0)
        nbio.smn_on_write(PUBLIC_CONTROL, self._control)
        if registers.table.has("SMUIO", "SMUSVI0_TEL_PLANE0"):
            voltage = (6200 - 4 * identity.sensors.vddgfx) // 25
            registers.default(at("SMUIO", "SMUSVI0_TEL_PLANE0"), voltage << VID_SHIFT)
        self._handlers: dict[str, Callable[[int], Response]] = {
            "TestMessage": lambda argument: self._answer(argument + 1),
            "GetSmuVersion": lambda _: self._answer(identity.firmware["smc"][0]),
            "GetDriverIfVersion": lambda _: self._answer(names.interface),
            "SetAllowedFeaturesMaskLow": lambda low: self._allow(low, 0),
            "SetAllowedFeaturesMaskHigh": lambda high: self._allow(high, 32),
            "EnableAllSmuFeatures": lambda _: self._run(self._wanted & self._allowed),
            "DisableAllSmuFeatures": lambda _: self._run(0),
            "EnableSmuFeaturesLow": lambda low: self._run(self._running | low & self._wanted),
            "EnableSmuFeaturesHigh": lambda high: self._run(self._running | high << 32 & self._wanted),
            "DisableSmuFeaturesLow": lambda low: self._run(self._running & ~low),
            "DisableSmuFeaturesHigh": lambda high: self._run(self._running & ~(high << 32)),
            "GetRunningSmuFeaturesLow": lambda _: self._answer(self._running & M32),
            "GetRunningSmuFeaturesHigh": lambda _: self._answer(self._running >> 32),
            "SetDriverDramAddrHigh": lambda high: self._place(high, 32),
            "SetDriverDramAddrLow": lambda low: self._place(low, 0),
            "TransferTableSmu2Dram": self._give_table,
            "TransferTableDram2Smu": self._take_table,
            "GetMinDpmFreq": lambda argument: self._tell_level(argument >> 16, 0),
            "GetMaxDpmFreq": lambda argument: self._tell_level(argument >> 16, -1),
            # 0: on a battery there is no other limit (smu_v11_0_get_max_sustainable_clock).
            "GetDcModeMaxDpmFreq": lambda _: self._answer(0),
            "GetDpmFreqByIndex": self._tell_level_by_index,
            "SetSoftMinByFreq": lambda argument: self._limit(argument, 0),
            "SetHardMinByFreq": lambda argument: self._limit(argument, 0),
            "SetSoftMaxByFreq": lambda argument: self._limit(argument, 1),
            "SetHardMaxByFreq": lambda argument: self._limit(argument, 1),
            "Mode1Reset": self._begin_mode1_reset,
            "PrepareMp1ForUnload": lambda _: self._run(0),
            **dict.fromkeys(ACCEPTED, lambda _: Response.OK),
        }
        self.reset()

    def reset(self) -> None:
        """Power up: the firmware runs, and has been told nothing."""
        if self._resetting is not None:
            self._resetting.cancel()
            self._resetting = None
        self._allowed = self._wanted = self._running = 0
        self._dram = 0
        self._levels: dict[int, tuple[int, ...]] = {}
        self._limits: dict[int, list[int]] = {}

    def clock(self, clock: int) -> int:
        """Return what a clock runs at, in MHz: as slow as the driver lets it."""
        found = self._levels.get(clock)
        if not found:
            return 0
        low, high = self._limits.get(clock, (0, 0))
        slowest = max(found[0], low)
        return min(slowest, high) if high else slowest

    def _control(self, value: int) -> None:
        """Restart the processor, as after loading its firmware."""
        self.reset()
        self._registers.set(self._response, 0)
        self._nbio.set_smn(FIRMWARE_FLAGS, 0 if value & RESET else INTERRUPTS_ENABLED)

    # -- the mailbox --------------------------------------------------------------------------------------------------

    def _receive(self, number: int) -> None:
        name = self._names.messages.get(number)
        argument = self._registers.get(self._argument)
        handler = self._handlers.get(name) if name is not None else None
        if handler is None:
            what = f"{name} ({number:#x})" if name else f"message {number:#x}"
            self._log.once(("smu", number), f"not modelled: SMU {what}, argument {argument:#x}: answered as unknown")
            response = Response.UNKNOWN
        else:
            response = handler(argument)
            if response is not Response.OK:
                self._log.once(("smu", number, argument), f"SMU {name} of {argument:#x}: {response.name}")
        self._registers.set(self._response, response)

    def _receive_debug(self, number: int) -> None:
        """Take a message of the second mailbox (smu_msg_v1_send_debug_msg)."""
        if number == self._names.debug_reset:
            self._begin_mode1_reset(0)
        else:
            self._log.once(("smu debug", number), f"not modelled: SMU debug message {number:#x}")

    def _answer(self, value: int) -> Response:
        self._registers.set(self._argument, value)
        return Response.OK

    # -- features -----------------------------------------------------------------------------------------------------

    def _allow(self, bits: int, shift: int) -> Response:
        self._allowed = self._allowed & ~(M32 << shift) | bits << shift
        return Response.OK

    def _run(self, features: int) -> Response:
        self._running = features
        return Response.OK

    # -- clocks -------------------------------------------------------------------------------------------------------

    def _tell_level(self, clock: int, level: int) -> Response:
        found = self._levels.get(clock)
        return self._answer(found[level]) if found else Response.FAILED

    def _tell_level_by_index(self, argument: int) -> Response:
        clock, level = argument >> 16, argument & 0xFFFF
        found = self._levels.get(clock, ())
        if level == LEVEL_COUNT and found:
            return self._answer(len(found))
        return self._answer(found[level]) if level < len(found) else Response.FAILED

    def _limit(self, argument: int, which: int) -> Response:
        clock, mhz = argument >> 16, argument & 0xFFFF
        if clock not in self._levels:
            return Response.FAILED
        self._limits.setdefault(clock, [0, 0])[which] = mhz
        return Response.OK

    # -- tables -------------------------------------------------------------------------------------------------------

    def _place(self, bits: int, shift: int) -> Response:
        self._dram = self._dram & ~(M32 << shift) | bits << shift
        return Response.OK

    def _memory_at(self, size: int) -> int | None:
        """Return where in memory the driver's table is; None if there are not so many bytes."""
        found = self._system.walk(self._dram)
        return found.address if found.kind is EntryKind.VALID and found.length >= size else None

    def _give_table(self, argument: int) -> Response:
        content = self._content(argument & 0xFFFF)
        at = self._memory_at(len(content)) if content is not None else None
        if content is None or at is None:
            return Response.FAILED
        self._memory.write(at, content)
        return Response.OK

    def _content(self, table: int) -> bytes | None:
        if table == Table.SMU_METRICS:
            return self._names.metrics(self._identity, self.clock(GFXCLK), self.clock(UCLK))
        if table == Table.COMBINED and self._names.combined is not None:
            return self._names.combined(self._identity)
        if table == Table.OVERDRIVE:
            engine_levels, memory_levels = self._levels.get(GFXCLK, (0,)), self._levels.get(UCLK, (0,))
            return self._names.overdrive.pack(
                GfxclkFmin=engine_levels[0],
                GfxclkFmax=engine_levels[-1],
                UclkFmin=memory_levels[0],
                UclkFmax=memory_levels[-1],
            )
        return None

    def _take_table(self, argument: int) -> Response:
        table = argument & 0xFFFF
        layout = self._names.taken.get(table)
        at = self._memory_at(layout.size) if layout is not None else None
        if layout is None or at is None:
            return Response.FAILED
        if table == Table.PPTABLE:
            pptable = self._names.pptable
            data = self._memory.read(at, pptable.size)
            low, high = pptable.read(data, "FeaturesToRun")
            self._wanted = (low | high << 32) & FEATURES
            tables = {GFXCLK: "FreqTableGfx", UCLK: "FreqTableUclk"}
            self._levels = {
                clock: found for clock, name in tables.items() if (found := levels(pptable.read(data, name)))
            }
        return Response.OK

    # -- reset --------------------------------------------------------------------------------------------------------

    def _begin_mode1_reset(self, _argument: int) -> Response:
        """Answer first: the response is in a register that the reset clears."""
        if self._resetting is None:
            self._resetting = self._core.timers.call_at(self._core.now() + RESET_AFTER_NS, self._reset_now)
        return Response.OK

    def _reset_now(self) -> None:
        self._resetting = None
        self._mode1_reset()
