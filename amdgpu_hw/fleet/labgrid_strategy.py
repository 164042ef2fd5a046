# SPDX-License-Identifier: MIT
"""How labgrid brings a box into a state: off, on, reachable by ssh; and what kernel it runs then.

labgrid finds the class by its name in the environment that `labgrid_box` makes, or in one of yours:
``imports: [amdgpu_hw.fleet.labgrid_strategy]``. The power driver may be missing: then a box cannot be switched.
"""

from __future__ import annotations

import enum

import attr
from labgrid.factory import target_factory
from labgrid.strategy import Strategy, StrategyError

__all__ = ("BoxStatus", "BoxStrategy")


class BoxStatus(enum.Enum):
    """The states that `BoxStrategy.transition` brings a box into."""

    UNKNOWN = "unknown"
    OFF = "off"
    ON = "on"
    REACHABLE = "reachable"


@target_factory.reg_driver
@attr.s(eq=False)
class BoxStrategy(Strategy):
    """A box with a full operating system; the right kernel is its boot loader's business."""

    bindings = {"ssh": "SSHDriver", "power": {"PowerProtocol", None}}
    status: BoxStatus = attr.ib(default=BoxStatus.UNKNOWN)

    @property
    def has_power(self) -> bool:
        """Whether there is a power driver."""
        return self.power is not None

    def transition(self, status: BoxStatus | str) -> None:
        """Bring the box into a state. Raises `StrategyError`, and whatever the drivers raise."""
        status = BoxStatus(status)
        if status in (BoxStatus.OFF, BoxStatus.ON):
            if not self.has_power:
                raise StrategyError("the box has no power driver")
            self.target.deactivate(self.ssh)
            self.target.activate(self.power)
            (self.power.off if status is BoxStatus.OFF else self.power.on)()
        elif status is BoxStatus.REACHABLE:
            # A master connection that is dead is still an active driver to labgrid.
            self.target.deactivate(self.ssh)
            self.target.activate(self.ssh)
        else:
            raise StrategyError(f"nothing can be brought into the state {status.value}")
        self.status = status

    def release(self) -> str:
        """What ``uname -r`` says there."""
        return str(self.ssh.run_check("uname -r")[0])
