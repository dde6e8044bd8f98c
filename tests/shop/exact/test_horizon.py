"""The end of the model's time line: never too early, and not far too late."""

from __future__ import annotations

from itertools import pairwise

import pytest

from hocket.core.disturb.calendars import Calendar
from hocket.core.errors import NotApplicable
from hocket.shop.exact.case import full_case
from hocket.shop.exact.horizon import useful_end
from hocket.shop.model import Job, JobShop, Machine, Operation
from hocket.shop.model.arrays import arrays
from hocket.shop.model.objectives import OBJECTIVES
from tests.shop.exact import brute
from tests.shop.exact.draw import draw


def test_every_earliest_schedule_ends_by_the_horizon():
    checked = 0
    for seed in range(500, 560):
        shop = draw(seed, no_wait=False, calendars=seed % 3 > 0)
        end = full_case(shop, "makespan").horizon
        for ends in brute.schedules(shop):
            assert max(ends) <= end
            checked += 1
    assert checked > 1000


def test_a_best_schedule_without_waiting_ends_by_the_horizon():
    checked = 0
    for seed in range(700, 760):
        shop = draw(seed, no_wait=True, calendars=True)
        end = full_case(shop, "makespan").horizon
        found = list(brute.schedules(shop))
        for objective in OBJECTIVES if found else ():
            best = min(brute.value(shop, objective, ends) for ends in found)
            within = [ends for ends in found if max(ends) <= end]
            assert min(brute.value(shop, objective, ends) for ends in within) == best
            checked += 1
    assert checked > 200


def test_every_useful_schedule_ends_by_the_useful_end():
    checked = 0
    for seed in range(600, 615):
        shop = draw(seed)
        data = arrays(shop)
        lengths = [int(data.shortest[a:b].sum()) for a, b in pairwise(data.first)]
        found = list(brute.schedules(shop))
        for objective in OBJECTIVES:
            goal = min((brute.value(shop, objective, ends) for ends in found), default=0) + 2
            end = useful_end(objective, shop.jobs, lengths, goal)
            for ends in found:
                if end is not None and brute.value(shop, objective, ends) <= goal:
                    assert max(ends) <= end
                    checked += 1
    assert checked > 100


def one(calendar: Calendar | None, *durations: int, no_wait: bool = False) -> JobShop:
    steps = tuple(Operation(machine="m", duration=d) for d in durations)
    machines = (Machine(name="m", calendar=calendar),)
    return JobShop(machines=machines, jobs=(Job(name="j", operations=steps),), no_wait=no_wait)


def test_holidays_count_only_if_they_come_in_time():
    soon = Calendar(period=10, open=((0, 10),), closed=((3, 50),))
    late = Calendar(period=10, open=((0, 10),), closed=((3000, 5000),))
    assert full_case(one(None, 4, 4), "makespan").horizon == 8
    assert full_case(one(soon, 4, 4), "makespan").horizon == 55
    assert full_case(one(late, 4, 4), "makespan").horizon == 8


def test_common_shifts_are_counted_together():
    """Ten days of two-hour jobs in eight-hour shifts: not a night for each job."""
    day = Calendar(period=24, open=((8, 16),))
    assert full_case(one(day, *[2] * 40), "makespan").horizon == 9 * 24 + 16


def test_calendars_that_hardly_ever_repeat_are_refused():
    shop = JobShop(
        machines=(
            Machine(name="a", calendar=Calendar(period=10_007, open=((0, 9),))),
            Machine(name="b", calendar=Calendar(period=10_009, open=((0, 9),))),
        ),
        jobs=(
            Job(
                name="j",
                operations=(Operation(machine="a", duration=2), Operation(machine="b", duration=2)),
            ),
        ),
        no_wait=True,
    )
    with pytest.raises(NotApplicable, match="smaller common multiple"):
        full_case(shop, "makespan")
