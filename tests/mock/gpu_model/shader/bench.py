# SPDX-License-Identifier: MIT
"""A mock GPU on a bench that runs a shader."""

from __future__ import annotations

from collections.abc import Sequence

from amdgpu_hw.gpu_model.page_table import Entry, EntryKind
from amdgpu_hw.packets import Engine, compute
from tests.mock.gpu_model.gpu_rig import MIB, RW, Rig

__all__ = ("CODE_VA", "ShaderRig")

CODE_VA = 0x2000_0000


class ShaderRig(Rig):
    """A rig with room for code at `CODE_VA`."""

    def __init__(self, name: str = "navi21") -> None:
        super().__init__(name)
        self.code = self.allocate(MIB)
        self.map(CODE_VA, MIB, Entry(EntryKind.VALID, self.code, RW))

    def load(self, code: Sequence[int]) -> None:
        """Put code at `CODE_VA`."""
        self.memory.write(self.code, b"".join(word.to_bytes(4, "little") for word in code))

    def dispatch(
        self,
        code: Sequence[int],
        user_data: Sequence[int],
        groups: tuple[int, int, int] = (1, 1, 1),
        threads: tuple[int, int, int] = (64, 1, 1),
        *,
        initiator: int = compute.SHADER_ENABLE | compute.FORCE_START_AT_000,
        resources: int | None = None,
        start: tuple[int, int, int] = (0, 0, 0),
        code_va: int = CODE_VA,
        engine: Engine = Engine.COMPUTE,
        steps: int | None = None,
    ) -> list[int]:
        """Run a shader; the list has the job's result when it is done.

        ``resources`` are COMPUTE_PGM_RSRC2 where they are not those of one dimension. ``steps``: run no further than so
        many items of the work queue.
        """
        self.load(code)
        pm4 = self.pm4(engine)
        first, second = compute.shader_resources(self.gpu.gc_version, len(user_data))
        ib = [
            *pm4.set_sh_registers(compute.START_X, (*start, *threads)),
            *pm4.set_sh_registers(compute.PGM_LO, (code_va >> 8 & 0xFFFF_FFFF, code_va >> 40)),
            *pm4.set_sh_registers(compute.PGM_RSRC1, (first, second if resources is None else resources)),
            *pm4.set_sh_registers(compute.USER_DATA_0, user_data),
            *pm4.dispatch_direct(groups, initiator),
        ]
        done = self.submit(self.ring(engine), pm4.pad(ib))
        if steps is None:
            self.run()
        else:
            self.work.run(steps)
        return done

    def dwords(self, offset: int, count: int) -> list[int]:
        """Return dwords of the data area."""
        data = self.bytes_at(offset, 4 * count)
        return [int.from_bytes(data[at : at + 4], "little") for at in range(0, len(data), 4)]
