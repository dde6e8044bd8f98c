"""The published workloads of applications: what is known of them, and that seeds hold."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.cluster.generate import analytics, macro
from hocket.cluster.generate.analytics import (
    CORES,
    JOB,
    KINDS,
    OVERHEADS,
    SERIAL,
    STAGE,
    Micro,
    job,
    skewed,
)
from hocket.cluster.generate.macro import WINDOWS, Macro, run_times
from hocket.cluster.metrics.analytics_jobs import alone
from hocket.core.errors import InputError
from hocket.core.load import load
from hocket.core.scenario import Scenario


@pytest.mark.parametrize("kind", KINDS)
def test_jobs_take_their_published_slot_time_and_alone_their_published_response(kind: str) -> None:
    made = job("a", "u", kind, 0)
    assert made.work == KINDS[kind].slot_time
    assert alone(made, CORES, OVERHEADS) == KINDS[kind].alone
    assert [len(stage.tasks) for stage in made.stages] == [CORES, 1]
    assert [stage.estimate for stage in made.stages] == [stage.work for stage in made.stages]


def test_the_measured_share_of_the_overheads_is_the_drivers() -> None:
    assert OVERHEADS.job + OVERHEADS.driver == JOB
    assert OVERHEADS.stage + OVERHEADS.driver == STAGE
    assert 2 * OVERHEADS.driver / (JOB + STAGE) == pytest.approx(SERIAL, abs=2 / (JOB + STAGE))


@given(st.integers(0, 10**6), st.integers(1, 50), st.integers(0, 10**5))
def test_skewed_tasks_add_up_and_the_first_is_the_longest(
    work: int, count: int, longest: int
) -> None:
    tasks = skewed(work, count, longest)
    assert len(tasks) == count and sum(tasks) == work and min(tasks) >= 0
    if work <= longest * count and longest <= work and count > 1:
        assert tasks[0] == longest and max(tasks[1:]) <= longest


def test_skewed_tasks_fall_off() -> None:
    tasks = skewed(10_000, 10, 2_000)
    assert all(a + 1 >= b for a, b in pairwise(tasks))


COUNTS = {
    "s1": {"long-1": 4, "long-2": 4, "short-1": 6, "short-2": 6},
    "s2": {"frequent-1": 80, "frequent-2": 80, "infrequent-1": 12, "infrequent-2": 12},
    "s3": {f"user-{k}": 4 for k in (1, 2, 3, 4)},
    "s4": {f"user-{k}": 30 for k in (1, 2, 3, 4)},
}


@pytest.mark.parametrize("case", COUNTS)
def test_the_small_workloads_have_the_published_users_and_jobs(case: str) -> None:
    scenario = load(f"cluster/{case}")
    assert scenario.cores == 32 and scenario.name == case
    counts: dict[str, int] = {}
    for one in scenario.jobs:
        counts[one.user] = counts.get(one.user, 0) + 1
    assert counts == COUNTS[case]
    assert [*scenario.problems()] == []
    groups = {name.rpartition("-")[0] for name in counts} - {"user"}
    assert set(scenario.group_of.values()) == groups


def test_arrivals_are_the_published_ones() -> None:
    s1, s2, s3, s4 = (load(f"cluster/{case}") for case in COUNTS)
    first = {}
    for one in (*s1.jobs, *s3.jobs, *s4.jobs):
        first.setdefault(one.user, one.arrival)
    assert first == {
        "long-1": 100, "long-2": 200, "short-1": 150, "short-2": 250,
        "user-1": 100, "user-2": 200, "user-3": 300, "user-4": 400,
    }  # fmt: skip
    chained = [one for one in (*s1.jobs, *s3.jobs) if one.after]
    assert len(chained) == 2 * 3 + 4 * 3
    assert all(one.after.partition("/")[0] == one.user for one in chained)
    bursts = {(one.user, one.arrival) for one in s2.jobs if one.user.startswith("frequent")}
    starts = (100, 30_000, 60_000, 90_000)
    assert bursts == {(f"frequent-{k}", at + 100 * (k - 1)) for k in (1, 2) for at in starts}


def test_random_arrivals_have_the_published_rates() -> None:
    gaps = []
    for seed in range(200):
        times = [j.arrival for j in Micro(case="s1").make(seed).jobs if j.user == "short-1"]
        gaps += np.diff(times).tolist()
    assert np.mean(gaps) == pytest.approx(4000, rel=0.1)
    assert np.std(gaps) == pytest.approx(4000, rel=0.15)  # as exponential ones do


@pytest.mark.parametrize("sizes", WINDOWS)
def test_the_windows_have_their_published_figures(sizes: str) -> None:
    window = WINDOWS[sizes]
    times = run_times(window)
    assert len(times) == window.jobs and np.all(np.diff(times) > 0)
    assert times.sum() == pytest.approx(window.total)
    assert np.median(times) == pytest.approx(window.median)
    assert times.max() == pytest.approx(window.longest)
    scenario = Macro(sizes="hetero" if sizes == "hetero" else "homo").make(4)
    assert len({one.user for one in scenario.jobs}) == window.users
    work = sum(one.work for one in scenario.jobs) / 32_000
    assert work == pytest.approx(window.total, rel=1e-3)
    assert max(one.arrival for one in scenario.jobs) <= 500_000
    longest = max(scenario.jobs, key=lambda one: one.work).stages[0]
    assert max(longest.tasks) == pytest.approx(2 * longest.work / 32, rel=1e-3)


@pytest.mark.parametrize("make", [Micro(case="s2"), Macro()], ids=["micro", "macro"])
def test_a_seed_makes_the_same_scenario_for_ever(make: Micro | Macro) -> None:
    def bytes_of(scenario: Scenario) -> bytes:
        return msgspec.json.encode(scenario)

    assert bytes_of(make.make(5)) == bytes_of(make.make(5)) != bytes_of(make.make(6))


@pytest.mark.parametrize(
    "make", [Micro(case="s1", tasks=7), Macro(tasks=7)], ids=["micro", "macro"]
)
def test_scans_can_be_divided_otherwise(make: Micro | Macro) -> None:
    plain = msgspec.structs.replace(make, tasks=32).make(2)
    for cut, same in zip(make.make(2).jobs, plain.jobs, strict=True):
        assert len(cut.stages[0].tasks) == 7
        assert (cut.work, cut.arrival, cut.user) == (same.work, same.arrival, same.user)


def test_wrong_fields_are_refused() -> None:
    with pytest.raises(InputError, match="case"):
        Micro(case="s5")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="skew"):
        Macro(skew=0.5)


def test_names_are_those_of_seed_0() -> None:
    for name, make in (analytics.NAMED | macro.NAMED).items():
        assert load(f"cluster/{name}").jobs == make.make(0).jobs


def test_seed_0_is_what_it_has_always_been() -> None:
    s2, window = load("cluster/s2"), load("cluster/macro-hetero")
    first = [job.arrival for job in s2.jobs if job.user == "infrequent-1"]
    assert first[:5] == [200, 2189, 25149, 30031, 58614]
    assert [(job.user, job.arrival, job.work) for job in window.jobs[:4]] == [
        ("user-4", 2327, 24114),
        ("user-1", 3141, 9340),
        ("user-1", 3266, 6621),
        ("user-26", 8651, 56930),
    ]
