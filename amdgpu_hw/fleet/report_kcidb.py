# SPDX-License-Identifier: MIT
"""A fleet's results for kcidb: those of all orders as one report, and a test that is missing for each that was lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from amdgpu_hw.fleet.conduct import result_path
from amdgpu_hw.fleet.events import State
from amdgpu_hw.fleet.index import Index, OrderState
from amdgpu_hw.report.kcidb import KCIDB_VERSION, kcidb_id, kcidb_report, require_origin
from amdgpu_hw.verdict.reading import read_for_report

__all__ = ("fleet_kcidb",)

_PARTS = ("checkouts", "builds", "tests")


def fleet_kcidb(index: Index, directory: Path, origin: str) -> str:
    """The report as JSON. Raises `HarnessError`: an origin that kcidb does not take, a result that cannot be read."""
    require_origin(origin)
    parts: dict[str, dict[str, Any]] = {name: {} for name in _PARTS}
    for each in index.orders:
        path = result_path(directory, each.order)
        if each.state in (State.DONE, State.INTERRUPTED) and path.exists():
            report = json.loads(kcidb_report(read_for_report(path), origin, None, None))
            for test in report["tests"]:
                test["misc"]["fleet"] = _where(each)
        else:
            report = _missing(each, index, origin)
        for name in _PARTS:
            parts[name].update({item["id"]: item for item in report[name]})
    return (
        json.dumps({"version": KCIDB_VERSION, **{name: list(parts[name].values()) for name in _PARTS}}, indent=1) + "\n"
    )


def _where(each: OrderState) -> dict[str, Any]:
    order = each.order
    return {"gpu": order.gpu, "kernel": order.kernel, "repetition": order.repetition, "place": each.place}


def _missing(each: OrderState, index: Index, origin: str) -> dict[str, Any]:
    """A test that was to be run and was not: kcidb's MISS is the infrastructure's fault, never the kernel's."""
    checkout = kcidb_id(origin, "checkout", "fleet", each.order.kernel)
    build = kcidb_id(origin, "build", "fleet", each.order.kernel)
    comment = f"kernel '{each.order.kernel}' of the plan"
    return {
        "checkouts": [{"id": checkout, "origin": origin, "comment": comment}],
        "builds": [{"id": build, "checkout_id": checkout, "origin": origin, "comment": comment}],
        "tests": [
            {
                "id": kcidb_id(origin, "fleet", index.started, each.order.name),
                "build_id": build,
                "origin": origin,
                "path": "amdgpu_hw",
                "status": "MISS",
                "comment": f"{each.order.gpu} on {each.order.kernel}: {each.state.value}",
                "log_excerpt": each.why,
                "misc": {"fleet": _where(each)},
            }
        ],
    }
