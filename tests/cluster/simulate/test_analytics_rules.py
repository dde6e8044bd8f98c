"""The rules of the shared application one by one, closed forms, and decisions that are illegal."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import Any, ClassVar

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.cluster.check.analytics import check
from hocket.cluster.model.analytics import Analytics, Job, Overheads, Stage
from hocket.cluster.policies.cfq import CFQ
from hocket.cluster.policies.chance import Random
from hocket.cluster.policies.fair import UJF, Fair
from hocket.cluster.policies.fifo import FIFO
from hocket.cluster.policies.uwfq import UWFQ
from hocket.cluster.sharing.estimates import Noisy
from hocket.cluster.simulate.analytics import simulate
from hocket.core.errors import Deadlock, IllegalDecision
from hocket.core.policy import Policy
from tests.cluster.simulate.analytics_cases import applications, responses

POLICIES = (FIFO(), Fair(), UJF(), Random(), CFQ(), UWFQ())


def stage(*tasks: int, after: tuple[int, ...] = (), **more: Any) -> Stage:
    return Stage(tasks=tasks, after=after, **more)


def test_a_job_with_all_its_overheads() -> None:
    """Two stages of two and one tasks on two cores, worked by hand."""
    job = Job(name="one", user="ada", arrival=7, stages=(stage(10, 4), stage(5, after=(0,))))
    overheads = Overheads(job=98, stage=18, driver=2, task=3)
    timeline = simulate(Analytics(cores=2, jobs=(job,), overheads=overheads), FIFO())
    assert [(p.kind, p.name, p.time) for p in timeline.points()] == [
        ("submit", "ada", 7),
        ("queue", "0", 107),
        ("queue", "1", 140),
        ("done", "", 148),
    ]
    assert [(s.lane, s.name, s.start, s.end) for s in timeline.spans("run")] == [
        ("core.0", "0.0", 107, 120),
        ("core.1", "0.1", 107, 114),
        ("core.0", "1.0", 140, 148),
    ]


def test_a_job_that_follows_another_comes_after_the_user_has_thought() -> None:
    jobs = (
        Job(name="second", user="ada", after="first", think=5, stages=(stage(1),)),
        Job(name="third", user="ada", after="first", arrival=40, stages=(stage(1),)),
        Job(name="first", user="ada", stages=(stage(10),)),
    )
    timeline = simulate(Analytics(cores=1, jobs=jobs), FIFO())
    submitted = {p.group: p.time for p in timeline.points("submit")}
    assert submitted == {"first": 0, "second": 15, "third": 40}


def test_jobs_of_one_tick_are_numbered_as_in_the_scenario() -> None:
    """Also where one of them follows another and was known of later."""
    jobs = (
        Job(name="b", user="ada", after="a", think=4, stages=(stage(1),)),
        Job(name="c", user="ada", arrival=5, stages=(stage(1),)),
        Job(name="a", user="ada", stages=(stage(1),)),
    )
    timeline = simulate(Analytics(cores=1, jobs=jobs), FIFO())
    assert [p.group for p in timeline.points("submit")] == ["a", "b", "c"]
    assert [s.group for s in timeline.spans()] == ["a", "b", "c"]


@pytest.mark.parametrize("policy", POLICIES, ids=str)
@given(scenario=applications())
def test_no_core_idles_while_tasks_wait(policy: Policy, scenario: Analytics) -> None:
    timeline = simulate(scenario, policy, seed=3)
    spans = [*timeline.spans("run")]
    counts = {
        (job.name, str(s)): len(one.tasks)
        for job in scenario.jobs
        for s, one in enumerate(job.stages)
    }
    queued = [(p.time, counts[p.group, p.name]) for p in timeline.points("queue")]
    for now in sorted({s.start for s in spans} | {s.end for s in spans} | {t for t, _ in queued}):
        running = sum(s.start <= now < s.end for s in spans)
        waiting = sum(n for t, n in queued if t <= now) - sum(s.start <= now for s in spans)
        assert running <= scenario.cores
        assert waiting == 0 or running == scenario.cores


@pytest.mark.parametrize("policy", POLICIES, ids=str)
@given(scenario=applications(), seed=st.integers(0, 2))
def test_the_same_run_twice_is_the_same(policy: Policy, scenario: Analytics, seed: int) -> None:
    first = simulate(scenario, policy, seed=seed)
    assert first.to_json() == simulate(scenario, policy, seed=seed).to_json()


@pytest.mark.parametrize(
    "policy", [UWFQ(), UJF(partition=3.0), UWFQ(partition=2.0, estimates=Noisy(sigma=1.0))], ids=str
)
@given(scenario=applications())
def test_the_checker_agrees(policy: Policy, scenario: Analytics) -> None:
    assert check(scenario, simulate(scenario, policy)) == []


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 9)), min_size=1, max_size=30))
def test_one_core_in_order_waits_as_lindley_says(pairs: list[tuple[int, int]]) -> None:
    arrivals = [*accumulate(gap for gap, _ in pairs)]
    jobs = tuple(
        Job(name=str(i), user="ada", arrival=at, stages=(stage(work),))
        for i, (at, (_, work)) in enumerate(zip(arrivals, pairs, strict=True))
    )
    scenario = Analytics(cores=1, jobs=jobs)
    took = responses(scenario, simulate(scenario, FIFO()))
    free = 0
    for i, (at, (_, work)) in enumerate(zip(arrivals, pairs, strict=True)):
        free = max(free, at) + work
        assert took[str(i)] == free - at


def test_one_core_with_random_arrivals_waits_as_in_md1() -> None:
    """Pollaczek-Khinchine: equal service S at load r waits r S / (2 (1 - r)) in the mean."""
    service, load = 1000, 0.6
    gaps = np.random.default_rng(5).exponential(service / load, 20_000)
    jobs = tuple(
        Job(name=str(i), user="ada", arrival=int(at), stages=(stage(service),))
        for i, at in enumerate(np.cumsum(gaps))
    )
    scenario = Analytics(cores=1, jobs=jobs)
    took = responses(scenario, simulate(scenario, FIFO()))
    waited = float(np.mean([*took.values()])) - service
    assert waited == pytest.approx(load * service / (2 * (1 - load)), rel=0.05)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.integers(0, 9), st.integers(0, 5))
def test_the_driver_takes_one_stage_at_a_time(gaps: list[int], driver: int, job: int) -> None:
    """D/D/1 at the driver, with a core for every task: waits are as Lindley says."""
    arrivals = [*accumulate(gaps)]
    jobs = tuple(
        Job(name=str(i), user="ada", arrival=at, stages=(stage(2),))
        for i, at in enumerate(arrivals)
    )
    overheads = Overheads(job=job, driver=driver)
    scenario = Analytics(cores=len(jobs), jobs=jobs, overheads=overheads)
    took = responses(scenario, simulate(scenario, FIFO()))
    free = 0
    for i, at in enumerate(arrivals):
        free = max(free, at + job) + driver
        assert took[str(i)] == free + 2 - at


def test_the_driver_takes_stages_as_they_come_whatever_the_policy() -> None:
    """Both jobs' first stages come at 1, the second of `a` at 8, behind all three of `c` at 7."""
    jobs = (
        Job(name="a", user="ada", stages=(stage(1), stage(1, after=(0,)))),
        Job(name="b", user="bob", stages=(stage(9),)),
        Job(name="c", user="ada", arrival=6, stages=(stage(1), stage(1), stage(1))),
    )
    overheads = Overheads(job=1, stage=1, driver=5)
    for policy in POLICIES:
        timeline = simulate(Analytics(cores=9, jobs=jobs, overheads=overheads), policy)
        queued = [(p.group + p.name, p.time) for p in timeline.points("queue")]
        assert queued == [("a0", 6), ("b0", 11), ("c0", 16), ("c1", 21), ("c2", 26), ("a1", 31)]


@given(scenario=applications())
def test_for_a_single_stage_the_driver_is_an_overhead_like_that_of_a_job(
    scenario: Analytics,
) -> None:
    one = msgspec.structs.replace(scenario.jobs[0], after="", stages=(stage(3, 2),))
    driver = Analytics(cores=2, jobs=(one,), overheads=Overheads(driver=7))
    besides = Analytics(cores=2, jobs=(one,), overheads=Overheads(job=7))
    assert simulate(driver, FIFO()).to_json() == simulate(besides, FIFO()).to_json()


@pytest.mark.parametrize("jobs", [1, 3, 7])
def test_two_users_share_equally_however_many_jobs_one_has(jobs: int) -> None:
    """On 4 cores, bob's 40 unit tasks take 20 ticks, and ada's job of 20 tasks ends at 10."""
    scenario = Analytics(
        cores=4,
        jobs=(
            *(Job(name=f"bob{i}", user="bob", stages=(stage(*[1] * 40),)) for i in range(jobs)),
            Job(name="ada", user="ada", stages=(stage(*[1] * 20),)),
        ),
    )
    took = responses(scenario, simulate(scenario, UJF()))
    assert took["ada"] == 10
    assert max(took.values()) == (jobs * 40 + 20) // 4
    fair = responses(scenario, simulate(scenario, Fair()))
    assert (fair["ada"] > 10) == (jobs > 1)
    assert max(fair.values()) == (jobs * 40 + 20) // 4


class Rogue(Policy, frozen=True):
    """Answers whatever it is told to."""

    name: ClassVar[str] = "test/rogue"
    submits: Callable[..., Any] = lambda view, stage: None
    orders: Callable[..., Any] = lambda view: view.stages

    def begin(self, scenario: Any, streams: Any) -> Any:
        return self

    def submit(self, view: Any, stage: Any) -> Any:
        return self.submits(view, stage)

    def order(self, view: Any) -> Any:
        return self.orders(view)

    def why(self, view: Any, stage: Any) -> str:
        return "told to"

    def finish(self, view: Any, stage: Any, work: int) -> None:
        pass


TWO = Analytics(
    cores=1,
    jobs=tuple(Job(name=f"job{i}", user="ada", stages=(stage(3, 3),)) for i in range(2)),
)


@pytest.mark.parametrize("parts", [0, -1, 2.0, True, "3", 1_000_001])
def test_cutting_into_what_is_no_number_of_tasks_is_illegal(parts: Any) -> None:
    with pytest.raises(IllegalDecision, match=r"test/rogue decided to cut job0/0 into .* integer"):
        simulate(TWO, Rogue(submits=lambda view, stage: parts))


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda view: None, "no sequence of stages"),
        (lambda view: 5, "no sequence of stages"),
        (lambda view: ["job0"], "it is no stage"),
        (lambda view: [None], "it is no stage"),
        (lambda view: view.jobs[0].stages, "it has no task waiting"),
    ],
)
def test_serving_what_does_not_wait_is_illegal(answer: Any, why: str) -> None:
    with pytest.raises(IllegalDecision, match=f"test/rogue decided to serve .*{why}"):
        simulate(msgspec.structs.replace(TWO, cores=3), Rogue(orders=answer))


def test_a_stage_of_another_run_is_illegal() -> None:
    kept: list[Any] = []
    simulate(TWO, Rogue(orders=lambda view: (kept.extend(view.stages), view.stages)[1]))
    with pytest.raises(IllegalDecision, match="no task waiting here"):
        simulate(TWO, Rogue(orders=lambda view: kept))


def test_a_policy_that_never_serves_a_stage_is_told_of() -> None:
    with pytest.raises(Deadlock, match="job1/0 has 2 tasks waiting, and test/rogue leaves it out"):
        simulate(TWO, Rogue(orders=lambda view: [s for s in view.stages if s.job.number == 0]))


def test_stages_that_are_not_divisible_stay_whole() -> None:
    job = Job(name="one", user="ada", stages=(stage(6), stage(6, divisible=False)))
    timeline = simulate(Analytics(cores=4, jobs=(job,)), Rogue(submits=lambda view, stage: 3))
    ran = [(s.name, s.end - s.start) for s in timeline.spans()]
    assert ran == [("0.0", 2), ("0.1", 2), ("0.2", 2), ("1.0", 6)]
