"""The optimum that PyJobShop finds for the same shop, for every variant that it can express."""

from __future__ import annotations

import signal
from itertools import pairwise

import pytest

from hocket.shop.exact.jobshop import solve
from hocket.shop.model import JobShop
from hocket.shop.model.arrays import setup_times
from tests.shop.exact.draw import draw_larger

pyjobshop = pytest.importorskip("pyjobshop")

WEIGHTS = {
    "makespan": "weight_makespan",
    "total_flow_time": "weight_total_flow_time",
    "weighted_flow_time": "weight_total_flow_time",
    "total_tardiness": "weight_total_tardiness",
    "weighted_tardiness": "weight_total_tardiness",
    "late_jobs": "weight_tardy_jobs",
}
WEIGHTED = ("weighted_flow_time", "weighted_tardiness")


def peer(shop: JobShop, objective: str) -> float:
    """The optimal value according to PyJobShop."""
    model = pyjobshop.Model()
    machines = [
        model.add_machine(
            breaks=[] if m.calendar is None else list(m.calendar.closures(300)), name=m.name
        )
        for m in shop.machines
    ]
    index = {m.name: i for i, m in enumerate(shop.machines)}
    placed = []  # (task, machine indices, family)
    for job in shop.jobs:
        ours = model.add_job(
            weight=job.weight if objective in WEIGHTED else 1,
            release_date=job.release,
            due_date=job.due,
            name=job.name,
        )
        line = []
        for k, operation in enumerate(job.operations):
            waits = shop.blocking == "swap" and k + 1 < len(job.operations)
            breaks = any(m.calendar is not None for m in shop.machines)
            task = model.add_task(ours, allow_idle=waits, allow_breaks=breaks)
            for choice in operation.choices():
                model.add_mode(task, machines[index[choice.machine]], choice.duration)
            line.append(task)
            where = {index[c.machine] for c in operation.choices()}
            placed.append((task, where, operation.family))
        for before, after in pairwise(line):
            if shop.no_wait or shop.blocking == "swap":
                model.add_end_at_start(before, after)
            else:
                model.add_end_before_start(before, after)
    for m, table in enumerate(setup_times(shop)):
        for one, where, before in placed:
            for other, there, after in placed:
                ticks = table.get((before, after), 0)
                if one is not other and m in where & there and ticks:
                    model.add_setup_time(machines[m], one, other, ticks)
    model.set_objective(**{WEIGHTS[objective]: 1})
    interrupt = signal.getsignal(signal.SIGINT)
    result = model.solve(time_limit=60, display=False, num_workers=1)
    signal.signal(signal.SIGINT, interrupt)  # OR-Tools has put the system's own in its place
    assert result.status.value == "Optimal"
    return result.objective


def agree(shop: JobShop, objective: str) -> None:
    ours = solve(shop, objective, time_limit=60, workers=1)
    assert (ours.status, ours.violations) == ("optimal", ())
    assert ours.value == ours.bound == peer(shop, objective)


@pytest.mark.parametrize("objective", WEIGHTS)
@pytest.mark.parametrize("seed", range(2))
def test_objectives_with_releases(seed, objective):
    agree(draw_larger(seed), objective)


@pytest.mark.parametrize("objective", ["makespan", "total_tardiness"])
@pytest.mark.parametrize("option", ["flexible", "no_wait", "setups", "calendars"])
def test_one_option(option, objective):
    for seed in range(5):
        agree(draw_larger(seed, **{option: True}), objective)


@pytest.mark.parametrize("objective", ["makespan", "weighted_flow_time"])
def test_blocking_with_swap(objective):
    for seed in range(5):
        agree(draw_larger(seed, blocking="swap"), objective)


@pytest.mark.parametrize(
    "options",
    [
        {"flexible": True, "no_wait": True},
        {"flexible": True, "setups": True},
        {"flexible": True, "calendars": True},
        {"flexible": True, "blocking": "swap"},
        {"no_wait": True, "setups": True},
    ],
    ids=lambda o: "+".join(o),
)
def test_combinations(options):
    for seed in range(5):
        agree(draw_larger(seed, **options), "makespan")
