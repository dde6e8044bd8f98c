"""Rules and decompositions of the single machine, against trying every sequence."""

from __future__ import annotations

import itertools

import msgspec
import numpy as np
import pytest

from hocket.core.errors import InputError, UnknownName
from hocket.shop.exact import sequences
from hocket.shop.exact.single import solve
from hocket.shop.metrics.single import metrics as single_metrics
from hocket.shop.model import SingleJob, SingleMachine
from hocket.shop.model.objectives import OBJECTIVES
from hocket.shop.policies.rules import SPT
from hocket.shop.simulate.single import simulate


def draw(
    seed: int, *, together: bool = True, jobs: int = 6, equal_weights: bool = False
) -> SingleMachine:
    rng = np.random.default_rng(seed)
    common = int(rng.integers(0, 5))
    made = []
    for j in range(jobs):
        release = common if together else int(rng.integers(0, 20))
        due = release + int(rng.integers(0, 25)) if j == 0 or rng.random() < 0.85 else None
        weight = 3 if equal_weights else int(rng.integers(0, 5))
        duration = int(rng.integers(0, 10))
        made.append(
            SingleJob(name=f"J{j}", duration=duration, release=release, due=due, weight=weight)
        )
    return SingleMachine(name=f"single-{seed}", jobs=tuple(made))


def brute(problem: SingleMachine, objective: str) -> int:
    """The best value over all sequences; each job starts as early as it can."""
    best = None
    for order in itertools.permutations(problem.jobs):
        time, total = 0, {}
        for job in order:
            time = max(time, job.release) + job.duration
            total[job.name] = time
        flow = [(total[j.name] - j.release, j.weight) for j in problem.jobs]
        late = [(total[j.name] - j.due, j.weight) for j in problem.jobs if j.due is not None]
        value = {
            "makespan": time,
            "total_flow_time": sum(f for f, _ in flow),
            "weighted_flow_time": sum(w * f for f, w in flow),
            "total_tardiness": sum(max(0, x) for x, _ in late),
            "weighted_tardiness": sum(w * max(0, x) for x, w in late),
            "max_lateness": max(x for x, _ in late),
            "late_jobs": sum(x > 0 for x, _ in late),
        }[objective]
        best = value if best is None else min(best, value)
    return best


SOLVERS = {
    "makespan": "ERD",
    "total_flow_time": "SPT",
    "weighted_flow_time": "WSPT",
    "total_tardiness": "decomposition",
    "max_lateness": "EDD",
    "late_jobs": "Moore-Hodgson",
}


@pytest.mark.parametrize("objective", SOLVERS)
def test_closed_forms(objective):
    for seed in range(25):
        problem = draw(seed)
        solution = solve(problem, objective)
        want = brute(problem, objective)
        assert (solution.status, solution.value, solution.bound) == ("optimal", want, want)
        assert solution.solver == SOLVERS[objective] and solution.violations == ()


def test_equal_weights_scale_the_tardiness():
    for seed in range(15):
        problem = draw(seed, equal_weights=True)
        solution = solve(problem, "weighted_tardiness")
        assert solution.solver == "decomposition"
        want = brute(problem, "weighted_tardiness")
        assert (solution.status, solution.value, solution.bound) == ("optimal", want, want)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_with_releases(objective):
    for seed in range(4):
        problem = draw(seed, together=False)
        solution = solve(problem, objective, workers=1)
        want = brute(problem, objective)
        assert (solution.status, solution.value, solution.bound) == ("optimal", want, want)
        assert solution.violations == ()


def test_weighted_tardiness_released_together():
    for seed in range(6):
        problem = draw(seed)
        solution = solve(problem, "weighted_tardiness", workers=1)
        assert solution.status == "optimal"
        assert solution.value == solution.bound == brute(problem, "weighted_tardiness")


def test_moore_hodgson_by_hand():
    """Moore's own situation: the longest of the first jobs has to go."""
    rows = [(4, 5), (3, 6), (2, 7), (5, 14)]
    jobs = [SingleJob(name=f"J{j}", duration=p, due=d) for j, (p, d) in enumerate(rows)]
    order = sequences.fewest_late(jobs)
    assert order == [1, 2, 3, 0]


def test_close_ratios_are_told_apart():
    """2^53 + 1 over 1 and over a weight: as floats the ratios would be equal."""
    big = 2**39
    jobs = [
        SingleJob(name="a", duration=big * 3 + 1, weight=3),
        SingleJob(name="b", duration=big, weight=1),
    ]
    assert sequences.weighted_shortest_first(jobs) == [1, 0]


def test_a_good_rule_is_only_as_good():
    problem = msgspec.structs.replace(draw(3), objective="total_tardiness")
    simulated = single_metrics(problem, simulate(problem, SPT()))
    assert solve(problem).value <= simulated["total_tardiness"]
    assert solve(problem, "total_flow_time").value == simulated["total_flow_time"]


def test_progress_and_log():
    steps = []
    solution = solve(draw(0), progress=lambda *step: steps.append(step))
    assert [(s.seconds, s.value, s.bound) for s in solution.log] == steps
    assert solution.log[-1].value == solution.value == solution.bound


def test_little_time_still_bounds_the_tardiness():
    rng = np.random.default_rng(0)
    durations = rng.integers(1, 100, 120)
    work = int(durations.sum())
    jobs = tuple(
        SingleJob(name=f"J{j}", duration=int(p), due=int(rng.integers(0.2 * work, 0.6 * work)))
        for j, p in enumerate(durations)
    )
    solution = solve(SingleMachine(jobs=jobs, objective="total_tardiness"), time_limit=0.02)
    assert solution.feasible and 0 < solution.bound <= solution.value


def test_errors():
    with pytest.raises(UnknownName, match="did you mean"):
        solve(draw(0), "makespans")
    with pytest.raises(InputError, match="there is no job"):
        solve(SingleMachine(jobs=()))
