"""The optimum that brute force finds for tiny shops, over all combinations of options."""

from __future__ import annotations

import pytest

from hocket.core.disturb.calendars import Calendar
from hocket.core.errors import Deadlock
from hocket.shop.exact.jobshop import solve
from hocket.shop.metrics.jobshop import metrics as jobshop_metrics
from hocket.shop.model import JobShop, Machine, Operation
from hocket.shop.model.jobshop import Alternative, Job
from hocket.shop.model.objectives import OBJECTIVES
from hocket.shop.policies.rules import FIFO, SPT
from hocket.shop.simulate.jobshop import simulate
from tests.shop.exact import brute
from tests.shop.exact.draw import draw


def agree(shop: JobShop, objective: str) -> str:
    """Compare value, bound, status and the checker's verdict; return the status."""
    want = brute.best(shop, objective)
    ours = solve(shop, objective, time_limit=60, workers=1)
    if want is None:
        assert (ours.status, ours.value, ours.bound) == ("infeasible", None, None)
        assert "cannot be met" in ours.reason
    else:
        assert (ours.status, ours.value, ours.bound) == ("optimal", want, want)
        assert ours.violations == ()
    return ours.status


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_any_options(objective):
    """Six operations at most, options at random."""
    at = OBJECTIVES.index(objective)
    for seed in range(at, 56 + at, 7):
        agree(draw(seed, zero=False), objective)


@pytest.mark.parametrize("calendars", [False, True])
@pytest.mark.parametrize("blocking", ["swap", "no-swap"])
@pytest.mark.parametrize("setups", [False, True])
def test_blocking(blocking, setups, calendars):
    for seed in range(100, 108):
        shop = draw(
            seed, blocking=blocking, no_wait=False, setups=setups, calendars=calendars, zero=False
        )
        agree(shop, OBJECTIVES[seed % 7])


@pytest.mark.parametrize("flexible", [False, True])
def test_calendars(flexible):
    for seed in range(200, 215):
        shop = draw(
            seed, blocking="no", no_wait=False, flexible=flexible, setups=False, calendars=True
        )
        agree(shop, OBJECTIVES[seed % 7])


def test_no_wait_with_calendars():
    statuses = [
        agree(draw(seed, no_wait=True, setups=False, calendars=True), OBJECTIVES[seed % 7])
        for seed in range(300, 320)
    ]
    assert {"optimal", "infeasible"} <= set(statuses)


def test_brute_force_knows_the_difference_between_swap_and_no_swap():
    """Two jobs that cross: with a swap 2 + 2 ticks; without, one waits until the other is out."""
    cross = JobShop(
        machines=(Machine(name="a"), Machine(name="b")),
        jobs=(
            Job(name="x", operations=tuple(Operation(machine=m, duration=2) for m in "ab")),
            Job(name="y", operations=tuple(Operation(machine=m, duration=2) for m in "ba")),
        ),
        blocking="swap",
    )
    assert brute.best(cross, "makespan") == 4
    assert solve(cross).value == 4
    no_swap = JobShop(machines=cross.machines, jobs=cross.jobs, blocking="no-swap")
    assert brute.best(no_swap, "makespan") == 8
    assert solve(no_swap).value == 8


def test_shifts_that_never_meet():
    """A rule may run into a swap for which both machines would have to be open at once."""
    day, night = (Calendar(period=16, open=((a, a + 8),)) for a in (0, 8))
    shop = JobShop(
        machines=(Machine(name="a", calendar=day), Machine(name="b", calendar=night)),
        jobs=(
            Job(name="x", operations=tuple(Operation(machine=m, duration=2) for m in "ab")),
            Job(name="y", operations=tuple(Operation(machine=m, duration=2) for m in "ba")),
        ),
        blocking="swap",
    )
    assert agree(shop, "makespan") == "optimal"
    with pytest.raises(Deadlock):  # and would else wait for ever
        simulate(shop, FIFO())


def test_small_flexible_shop():
    """In the manner of Brandimarte's mk instances: every operation on one to three machines."""
    durations = {("a", 0): (3, 5, 4), ("a", 1): (2, None, 6), ("b", 0): (None, 4, 4)}
    durations |= {("b", 1): (5, 3, None), ("c", 0): (2, 2, 2), ("c", 1): (None, 1, 7)}
    jobs = [
        Job(
            name=job,
            operations=tuple(
                Operation(
                    alternatives=tuple(
                        Alternative(machine=f"M{m}", duration=d)
                        for m, d in enumerate(durations[job, k])
                        if d is not None
                    )
                )
                for k in range(2)
            ),
        )
        for job in "abc"
    ]
    shop = JobShop(machines=tuple(Machine(name=f"M{m}") for m in range(3)), jobs=tuple(jobs))
    assert agree(shop, "makespan") == "optimal"
    assert agree(shop, "total_flow_time") == "optimal"


def test_no_rule_beats_the_optimum():
    """The simulator obeys the same constraints, so its schedules are never better."""
    worse = 0
    for seed in range(400, 430):
        shop = draw(seed, no_wait=False, zero=False)
        try:
            simulated = jobshop_metrics(shop, simulate(shop, SPT()))["total_flow_time"]
        except Deadlock:
            continue
        best = solve(shop, "total_flow_time", workers=1).value
        assert best <= simulated
        worse += best < simulated
    assert worse > 0
