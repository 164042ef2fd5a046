# SPDX-License-Identifier: MIT
"""How the tests are spread over processes."""

from __future__ import annotations

from tests import BOOTING
from tests.scheduling import scope_of


def test_guests_are_booted_by_one_process_and_modules_stay_whole() -> None:
    """Whatever modules the tests that boot guests are in, and whatever is in the names of cases."""
    booting = [f"{BOOTING}test_a.py::test_1", f"{BOOTING}test_b.py::test_2"]
    others = ["tests/mock/test_c.py::test_3[a::b]", "tests/mock/test_c.py::test_4", "tests/mock/test_d.py::test_5"]
    assert {scope_of(name) for name in booting} == {BOOTING}
    assert [scope_of(name) for name in others] == ["tests/mock/test_c.py"] * 2 + ["tests/mock/test_d.py"]
