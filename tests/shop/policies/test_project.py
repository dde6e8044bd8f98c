import random
import subprocess
import sys
from types import SimpleNamespace

import pytest

from hocket.core.errors import Deadlock
from hocket.core.policy import Policy, summary
from hocket.shop.check.project import check
from hocket.shop.exact.project import solve
from hocket.shop.generate.project import ProGen
from hocket.shop.model import Activity, Lag, Mode, Project, Resource
from hocket.shop.policies.project import (
    GRPW,
    LFT,
    LST,
    MSLK,
    MTS,
    POLICIES,
    WCS,
    ProjectFIFO,
    ProjectRandom,
    ProjectRule,
    ProjectSPT,
)
from hocket.shop.simulate.project import Running, simulate
from hocket.solvers.network import Network, Task, TaskMode
from tests.shop import projects


def every_rule() -> list[ProjectRule]:
    return [kind(mode=mode) for kind in POLICIES for mode in ("shortest", "least-share")]


def order(project: Project, policy: Policy) -> list[str]:
    return [span.group for span in simulate(project, policy).spans()]


def job(name: str, duration: int, crew: int = 1, **other: int) -> Activity:
    return Activity(name=name, modes=(Mode(duration=duration, demands={"crew": crew}),), **other)


# a -> d -> f and b -> e, c alone; one at a time.
SITE = Project(
    activities=(job("a", 2), job("b", 4), job("c", 1), job("d", 3), job("e", 6), job("f", 3)),
    resources=(Resource(name="crew", capacity=1),),
    lags=(Lag(before="a", after="d"), Lag(before="b", after="e"), Lag(before="d", after="f")),
)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (ProjectSPT(), "cadfbe"),  # 1, 2, then d 3 < b 4, then f 3 < b 4
        (LFT(), "abdcef"),  # 4 4 10 7 10 10
        (LST(), "badefc"),  # 2 0 9 4 4 7: b, a; then d and e tie at 4, d is listed first
        (MTS(), "abdcef"),  # 2 1 0 1 0 0
        (GRPW(), "beadfc"),  # 5 10 1 6 6 3
    ],
)
def test_the_order_of_a_worked_example(policy: Policy, expected: str) -> None:
    started = "".join(order(SITE, policy))
    assert started == expected


def test_first_in_first_out_goes_by_when_the_predecessors_were_done() -> None:
    # a ends at 2, so d is ready before e, which is ready when b ends.
    assert order(SITE, ProjectFIFO())[:3] == ["a", "b", "c"]
    timeline = simulate(SITE, ProjectFIFO())
    starts = {span.group: span.start for span in timeline.spans()}
    assert starts["d"] < starts["e"] < starts["f"]


def test_worst_case_slack_sees_what_must_wait_for_a_rival() -> None:
    # Capacity 3. If "long" goes first, "wide" waits 8; if "wide" goes first, "long" waits 2.
    site = Project(
        activities=(job("wide", 2, crew=2), job("long", 8, crew=2), job("thin", 1, crew=1)),
        resources=(Resource(name="crew", capacity=3),),
    )
    # Latest starts 6, 0, 7; worst cases: wide 6 - 8, long 0 - 2, thin 7 - 0.
    timeline = simulate(site, WCS())
    reasons = [span.reason for span in timeline.spans()]
    assert reasons[0] == "wcs -2, least of 3"
    assert order(site, WCS())[0] == "wide"


@pytest.mark.parametrize("seed", range(60))
def test_worst_case_slack_is_that_of_trying_every_tick(seed: int) -> None:
    rng = random.Random(seed)
    capacity, now = (4, 3), 5
    tasks = [TaskMode(rng.randint(0, 5), (rng.randint(0, 2), rng.randint(0, 2))) for _ in range(6)]
    network = Network(tasks=tuple(Task(modes=(mode,)) for mode in tasks), capacity=capacity)
    running = [Running(i, 0, now + rng.randint(1, 6)) for i in (0, 1)]
    free = tuple(c - tasks[0].use[r] - tasks[1].use[r] for r, c in enumerate(capacity))
    pairs = [
        (i, 0) for i in (2, 3, 4, 5) if all(u <= f for u, f in zip(tasks[i].use, free, strict=True))
    ]

    def level(time: int, first: int, r: int) -> int:
        busy = sum(tasks[run.activity].use[r] for run in running if time < run.end)
        return busy + (tasks[first].use[r] if time < now + tasks[first].duration else 0)

    def follow(first: int, second: int) -> int:
        return next(
            time
            for time in range(now, 50)
            if all(level(time, first, r) + tasks[second].use[r] <= capacity[r] for r in (0, 1))
        )

    latest = [rng.randint(0, 9) for _ in tasks]
    view = SimpleNamespace(
        now=now,
        free=free,
        running=running,
        network=network,
        figures=SimpleNamespace(latest_start=latest),
    )
    assert WCS().priorities(view, pairs) == [
        latest[j] - max((follow(i, j) for i, _ in pairs if i != j), default=now) for j, _ in pairs
    ]


def test_slack_runs_down_under_a_maximum_lag() -> None:
    site = Project(
        activities=(job("a", 1), job("b", 2), job("c", 3), job("long", 9, crew=0)),
        resources=(Resource(name="crew", capacity=1),),
        lags=(Lag(before="a", after="b", most=1), Lag(before="a", after="c")),
    )
    # By the critical path b could start at 7 and c at 6, but once a is done b must start by 2.
    timeline = simulate(site, MSLK(lags_first=False))
    assert [(s.group, s.start) for s in timeline.spans()][2:] == [("b", 1), ("c", 3)]
    with pytest.raises(Deadlock, match="'b' had to start by 2"):
        simulate(site, LST(lags_first=False))
    for kind in POLICIES:  # by default every rule looks after running lags first
        spans = {span.group: span for span in simulate(site, kind(), seed=1).spans()}
        assert (spans["b"].start, spans["b"].reason) == (1, "has to start by 2")


def random_lags(seed: int) -> Project:
    """A project of 20 activities, some of whose precedences have maximum lags."""
    rng = random.Random(seed)
    project = ProGen(activities=20, strength=0.4, renewable=3).make(seed)
    lags = tuple(
        Lag(before=x.before, after=x.after, most=rng.randint(5, 40)) if rng.random() < 0.2 else x
        for x in project.lags
    )
    return Project(activities=project.activities, resources=project.resources, lags=lags)


def test_looking_after_lags_first_avoids_dead_ends() -> None:
    done = {True: 0, False: 0}
    for seed in range(25):
        project = random_lags(seed)
        if project.lag_contradiction():
            continue
        for first in done:
            try:
                timeline = simulate(project, LFT(lags_first=first))
            except Deadlock:
                continue
            assert check(project, timeline) == []
            done[first] += 1
    assert done[True] > done[False] > 0


def test_the_mode_rules_differ() -> None:
    ways = (
        Mode(duration=2, demands={"crew": 4}, name="fast"),
        Mode(duration=5, demands={"crew": 1}, name="slow"),
    )
    project = Project(
        activities=(Activity(name="a", modes=ways),),
        resources=(Resource(name="crew", capacity=4),),
    )
    assert [s.name for s in simulate(project, LFT()).spans()] == ["fast"]
    assert [s.name for s in simulate(project, LFT(mode="least-share")).spans()] == ["slow"]


@pytest.mark.parametrize("seed", range(25))
def test_without_maximum_lags_every_rule_gives_a_feasible_schedule(seed: int) -> None:
    rng = random.Random(seed)
    project = projects.small(rng, activities=9, modes=3, lags=False, longest=6)
    solution = solve(project, "makespan", workers=1, time_limit=20)
    if solution.status == "infeasible":  # the stock does not suffice
        return
    assert solution.status == "optimal"
    for policy in every_rule():
        timeline = simulate(project, policy, seed=seed)
        assert check(project, timeline) == [], policy
        assert timeline.end >= solution.value


@pytest.mark.parametrize("seed", range(12))
def test_scarce_stocks_are_shared_out_to_the_end(seed: int) -> None:
    project = ProGen(
        activities=25, modes=3, renewable=2, nonrenewable=2, stock_strength=0.1, stock_factor=1.0
    ).make(seed)
    for policy in every_rule():
        assert check(project, simulate(project, policy, seed=seed)) == [], policy


@pytest.mark.parametrize("policy", every_rule(), ids=str)
def test_a_replay_is_equal_to_the_byte(policy: ProjectRule) -> None:
    project = ProGen(activities=20, modes=2, nonrenewable=1).make(1)
    first = simulate(project, policy, seed=7)
    assert first.digest() == simulate(project, policy, seed=7).digest()


def test_random_starts_depend_on_the_seed() -> None:
    project = ProGen(activities=20).make(1)
    digests = {simulate(project, ProjectRandom(), seed=s).digest() for s in range(5)}
    assert len(digests) == 5


def test_hash_seeds_change_nothing() -> None:
    program = (
        "from hocket.shop.generate.project import ProGen\n"
        "from hocket.shop.policies.project import POLICIES\n"
        "from hocket.shop.simulate.project import simulate\n"
        "p = ProGen(activities=20, modes=2, nonrenewable=1).make(1)\n"
        "print([simulate(p, kind(), seed=3).digest() for kind in POLICIES])\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(outputs) == 1


def test_good_rules_beat_chance_on_scarce_projects() -> None:
    """The ranking that Kolisch (1996) reports: LFT, WCS and MTS before SPT and chance."""
    total = dict.fromkeys((kind.name for kind in POLICIES), 0)
    for seed in range(25):
        project = ProGen(activities=40, strength=0.2, complexity=1.8).make(seed)
        for kind in POLICIES:
            total[kind.name] += simulate(project, kind(), seed=seed).end
    for good in ("shop/lft", "shop/wcs", "shop/mts", "shop/lst"):
        for poor in ("shop/project-random", "shop/project-spt"):
            assert total[good] < total[poor]


def test_every_rule_says_what_it_is() -> None:
    names = [kind.name for kind in POLICIES]
    assert len(set(names)) == len(names)
    for kind in POLICIES:
        assert kind.problems == ("shop/project",)
        assert summary(kind).endswith(".")
    assert str(LFT(mode="least-share")) == "shop/lft(mode='least-share')"
