import itertools

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.core.disturb.breakdowns import Breakdowns
from hocket.core.disturb.noise import LogNormal
from hocket.core.errors import InputError, NotApplicable, UnknownName
from hocket.shop.check.jobshop import check
from hocket.shop.generate import Disrupted
from hocket.shop.model import Job, JobShop, Machine, Operation
from hocket.shop.model.arrays import arrays
from hocket.shop.policies import plans
from hocket.shop.policies.plans import FollowPlan, GifflerThompson
from hocket.shop.policies.rules import FIFO, SPT
from hocket.shop.simulate.jobshop import simulate
from tests.shop.published import FT06, LA01
from tests.shop.simulate.cases import parse, shop, shops

RULES = sorted(plans.RULES)


@st.composite
def tiny(draw: st.DrawFn) -> JobShop:
    """Two or three jobs on two machines: few enough schedules to try them all."""
    step = st.tuples(st.integers(0, 1), st.integers(1, 6))
    lines = draw(st.lists(st.lists(step, min_size=1, max_size=3), min_size=2, max_size=3))
    return shop([*lines, [(1, 1)]])


def every_order(world: JobShop) -> int:
    """The least makespan over all orders in which operations can be appended: by brute force."""
    data = arrays(world)
    best = 10**9

    def extend(following: list[int], ready: list[int], free: list[int]) -> None:
        nonlocal best
        if max(ready) >= best:
            return
        if all(o == end for o, end in zip(following, data.first[1:], strict=True)):
            best = max(ready)
        for job, o in enumerate(following):
            if o < data.first[job + 1]:
                ((m, duration),) = data.choices[o]
                end = max(ready[job], free[m]) + duration
                extend(
                    [*following[:job], o + 1, *following[job + 1 :]],
                    [*ready[:job], end, *ready[job + 1 :]],
                    [*free[:m], end, *free[m + 1 :]],
                )

    extend(data.first[:-1], [0] * len(data.jobs), [0] * len(data.machines))
    return best


def every_choice(world: JobShop, kind: str) -> set[int]:
    """The makespans that Giffler-Thompson can give, over all answers of a rule."""
    ends: set[int] = set()
    script: list[int] = [0]
    widths: list[int] = []

    def choose(self, jobs, machine, now):
        turn = len(widths)
        widths.append(len(jobs))
        if turn == len(script):
            script.append(0)
        return int(jobs[script[turn]])

    original = plans._Planner._choose
    plans._Planner._choose = choose
    try:
        while True:
            widths.clear()
            timeline = simulate(world, GifflerThompson(kind=kind))
            assert check(world, timeline) == []
            assert is_active(world, timeline)
            ends.add(timeline.end)
            del script[len(widths) :]
            while script and script[-1] + 1 == widths[len(script) - 1]:
                script.pop()
            if not script:
                return ends
            script[-1] += 1
    finally:
        plans._Planner._choose = original


def is_active(world: JobShop, timeline) -> bool:
    """No operation can end earlier without another one ending later: by trying every gap."""
    data = arrays(world)
    numbers = {name: o for o, name in enumerate(data.operations)}
    spans = {numbers[s.name]: s for s in timeline.spans("run")}
    for o, span in spans.items():
        before = spans.get(o - 1) if o not in data.first else None
        earliest = before.end if before else int(data.release[o])
        duration = span.end - span.start
        others = sorted(
            (s.start, s.end) for p, s in spans.items() if s.lane == span.lane and p != o
        )
        for start, end in itertools.pairwise([(0, 0), *others, (10**9, 10**9)]):
            begin = max(earliest, start[1])
            if begin + duration <= end[0] and begin < span.start:
                return False
    return True


@settings(max_examples=25, deadline=None)
@given(tiny())
def test_the_best_active_schedule_is_optimal_and_nothing_is_better(world):
    ends = every_choice(world, "active")
    assert min(ends) == every_order(world)


@settings(max_examples=15, deadline=None)
@given(tiny())
def test_non_delay_schedules_are_active_and_never_better(world):
    assert min(every_choice(world, "non-delay")) >= every_order(world)


def test_a_non_delay_schedule_can_miss_the_optimum():
    # m0 may start j0 at 0, but waiting for j1, which comes at 1, is better.
    world = shop([[(0, 10)], [(1, 1), (0, 1), (1, 10)]])
    assert min(every_choice(world, "active")) == 12 == every_order(world)
    assert min(every_choice(world, "non-delay")) == 21


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("kind", ["active", "non-delay"])
def test_plans_by_any_rule_are_active(rule, kind):
    for world in (parse(FT06), parse(LA01)):
        timeline = simulate(world, GifflerThompson(rule=rule, kind=kind))
        assert check(world, timeline) == []
        assert is_active(world, timeline)


def test_non_delay_generation_never_leaves_a_machine_idle_before_waiting_work():
    world = parse(LA01)
    timeline = simulate(world, GifflerThompson(rule="shop/spt", kind="non-delay"))
    spans = list(timeline.spans("run"))
    ready = {s.name: 0 for s in spans}
    for s in spans:
        job, step = s.name.rsplit(".", 1)
        ready[f"{job}.{int(step) + 1}"] = s.end
    for s in spans:
        busy = [o for o in spans if o.lane == s.lane and o.name != s.name]
        for t in range(ready[s.name], s.start):
            assert any(o.start <= t < o.end for o in busy), (s, t)


@settings(max_examples=60, deadline=None)
@given(shops(blocking=("no",)), st.sampled_from(["active", "non-delay"]), st.integers(0, 2))
def test_giffler_thompson_copes_with_every_option_of_a_shop_with_buffers(world, kind, seed):
    timeline = simulate(world, GifflerThompson(kind=kind), seed=seed)
    assert check(world, timeline) == []


def test_giffler_thompson_refuses_what_it_cannot_plan():
    for options in ({"blocking": "swap"}, {"no_wait": True}):
        with pytest.raises(NotApplicable, match="shops with buffers"):
            simulate(parse(FT06, **options), GifflerThompson())
    with pytest.raises(UnknownName, match="did you mean 'shop/spt'"):
        GifflerThompson(rule="shop/spd")


def test_a_schedule_followed_as_a_plan_is_that_schedule_again():
    for world in (parse(FT06), parse(LA01)):
        timeline = simulate(world, SPT())
        again = simulate(world, FollowPlan.of(timeline))
        assert [s[:6] for s in sorted(again.spans())] == [s[:6] for s in sorted(timeline.spans())]


def test_jobs_may_call_their_operations_by_the_same_names():
    steps = tuple(Operation(machine="saw", duration=d, name=n) for d, n in ((2, "cut"), (1, "rip")))
    world = JobShop(
        machines=(Machine(name="saw"),),
        jobs=(Job(name="a", operations=steps), Job(name="b", operations=steps[:1])),
    )
    timeline = simulate(world, SPT())
    plan = FollowPlan.of(timeline)
    assert plan.sequences == {"saw": ("a/cut", "rip", "b/cut")}
    assert [s[:6] for s in simulate(world, plan).spans()] == [s[:6] for s in timeline.spans()]


@settings(max_examples=40, deadline=None)
@given(shops(blocking=("no",)), st.integers(0, 3))
def test_a_plan_stays_in_order_when_reality_is_late(world, seed):
    certain = msgspec.structs.replace(
        world,
        noise=None,
        machines=tuple(msgspec.structs.replace(m, breakdowns=None) for m in world.machines),
    )
    plan = FollowPlan.of(simulate(certain, FIFO(), seed=seed))
    late = msgspec.structs.replace(
        certain,
        noise=LogNormal(cv=0.5),
        machines=tuple(
            msgspec.structs.replace(m, breakdowns=Breakdowns(mean_up=20, mean_down=5))
            for m in certain.machines
        ),
    )
    timeline = simulate(late, plan, seed=seed)
    assert check(late, timeline) == []
    for lane, names in plan.sequences.items():
        # Operations are begun in the planned order; those without duration leave no doubt either.
        begun = dict.fromkeys(
            s.name for s in sorted(timeline.spans("run"), key=lambda s: s.start) if s.lane == lane
        )
        assert sorted(begun) == sorted(names)
        first = {
            name: min(s.start for s in timeline.spans("run") if s.name == name) for name in names
        }
        assert [first[name] for name in names] == sorted(first.values())


def test_no_machine_order_of_ft06_beats_its_proven_optimum():
    world = parse(FT06)
    rng = np.random.default_rng(3)
    best = 10**9
    for _ in range(60):
        order = rng.permutation(6)
        ranks = {f"j{j}": rank for rank, j in enumerate(order.tolist())}
        sequences: dict[str, list[tuple[int, str]]] = {}
        for job in world.jobs:
            for k, o in enumerate(job.operations):
                sequences.setdefault(o.machine, []).append((ranks[job.name], f"{job.name}.{k}"))
        plan = FollowPlan(
            sequences={m: tuple(n for _, n in sorted(found)) for m, found in sequences.items()}
        )
        timeline = simulate(world, plan)
        assert check(world, timeline) == []
        best = min(best, timeline.end)
    assert best >= 55


def test_a_plan_that_does_not_match_says_everything_that_is_wrong():
    plan = FollowPlan(sequences={"m0": ("j0.0", "j0.0", "ghost"), "drill": ()})
    with pytest.raises(InputError) as caught:
        simulate(shop([[(0, 1)], [(0, 1)]]), plan)
    assert [str(p) for p in caught.value.problems] == [
        "the shop has no machine 'drill'",
        "the shop has no operation 'ghost'",
        "operation 'j1.0' is not planned",
        "'j0.0' is planned twice",
    ]


def test_jobs_that_arrive_later_are_planned_when_they_arrive():
    world = Disrupted(jobs=8, machines=4, availability=1.0, variation=0.0).make(1)
    timeline = simulate(world, GifflerThompson(rule="shop/edd"), seed=2)
    assert check(world, timeline) == []
    assert {s.reason for s in timeline.spans("run")} == {"next in the plan"}
