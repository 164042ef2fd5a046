# SPDX-License-Identifier: MIT
"""200 places in modelled time: the schedule keeps them busy, and boots are few."""

from __future__ import annotations

from bench.fleet_simulation import FirstCome, SimulatedFleet, simulate_fleet

FLEET = SimulatedFleet()


def test_200_places_are_busy_while_there_is_work_for_their_gpu() -> None:
    """With boots, hangs and places that break; nothing is lost where another place has the same GPU."""
    outcome = simulate_fleet(FLEET, 1)
    assert (len(FLEET.places), outcome.orders) == (200, 1200)
    assert outcome.lost == 0
    assert outcome.busy > 0.75


def test_a_place_that_keeps_its_kernel_boots_far_less() -> None:
    """Than one that takes orders as they come, and the whole is done earlier."""
    ours, first_come = simulate_fleet(FLEET, 1), simulate_fleet(FLEET, 1, FirstCome)
    assert ours.boots < first_come.boots / 2
    assert ours.whole_s < first_come.whole_s


def test_a_gpu_whose_places_all_break_loses_its_orders_and_no_other() -> None:
    """Every order is done or lost."""
    outcome = simulate_fleet(SimulatedFleet(gpus=2, places_per_gpu=2, broken_share=1.0, run_s=3000), 1)
    assert 0 < outcome.lost <= outcome.orders
