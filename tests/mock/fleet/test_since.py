# SPDX-License-Identifier: MIT
"""What changed since another run: what both have, and nothing that the infrastructure kept from being run."""

from __future__ import annotations

from pathlib import Path

from amdgpu_hw.fleet.matrix import FleetMatrix, make_matrix
from amdgpu_hw.fleet.since import changes_since, changes_text
from tests.mock.fleet.test_matrix import H, N, X, filled


def matrices(directory: Path) -> tuple[FleetMatrix, FleetMatrix]:
    """An old run and a new one, of which one order was lost in each."""
    old, new = directory / "old", directory / "new"
    before = {"B06": H, "B07": X, "B08": H, "B09": H}
    now = {"B06": X, "B07": H, "B08": H, "B10": H}
    old_index = filled(old, {("navi31", "k1", 1): before, ("navi31", "k2", 1): {"B06": H}})
    new_index = filled(new, {("navi31", "k1", 1): now, ("mi300x", "k1", 1): {"B06": N}})
    return make_matrix(old_index, old), make_matrix(new_index, new)


def test_only_what_both_runs_have_can_have_changed(tmp_path: Path) -> None:
    """What got worse comes first; what one of them lacks is named apart."""
    changes = changes_since(*matrices(tmp_path))
    assert [(each.row, each.column.name, each.before, each.now) for each in changes.changes] == [
        ("B06", "navi31 k1", H, X),
        ("B07", "navi31 k1", X, H),
    ]
    assert changes.compared == 3
    assert changes.apart == (
        "navi31 k1: 2 rows in one of the runs only",
        "mi300x k1: 1 row in one of the runs only",
        "navi31 k2: 1 row in one of the runs only",
    )


def test_the_text_says_what_changed_and_how_much_was_compared(tmp_path: Path) -> None:
    """And that nothing did where that is so."""
    old, new = matrices(tmp_path)
    text = changes_text(changes_since(old, new), new, 120, False)
    assert "2 of 3 ended otherwise, 1 of which held before." in text
    assert "B08" not in text
    assert "All 5 ended as before." in changes_text(changes_since(new, new), new, 120, False)
