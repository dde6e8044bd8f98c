import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.core.errors import IllegalDecision, InputError
from hocket.core.load import load, load_policy
from hocket.core.run import run
from hocket.shop.check.jobshop import check
from hocket.shop.generate import Disrupted, Taillard, bounds
from hocket.shop.model import JobShop
from hocket.shop.model.arrays import NEVER, arrays
from hocket.shop.policies import rules
from hocket.shop.policies.plans import GifflerThompson
from hocket.shop.policies.rules import (
    ATC,
    EDD,
    FDDMWKR,
    FIFO,
    LIFO,
    LPT,
    LWKR,
    MDD,
    MOPNR,
    MWKR,
    SPT,
    WSPT,
    Composite,
    CriticalRatio,
    Random,
    SlackPerOperation,
)
from hocket.shop.simulate.jobshop import simulate
from tests.shop.published import FT06, LA01
from tests.shop.simulate.cases import parse

# Taillard's ta01, lowest job on ties; the first two are also what other authors report.
TA01 = [(SPT(), 1462), (MWKR(), 1491), (MOPNR(), 1438), (FIFO(), 1486)]

# Mean gap (%) to the best known makespan per class of ten, ta01-10 to ta71-80, and over all.
MEAN_GAPS = [
    (SPT(), [25.9, 32.8, 27.8, 35.3, 34.5, 24.1, 25.5, 14.4], 27.5),
    (MWKR(), [19.2, 23.4, 21.8, 23.9, 25.2, 16.9, 17.9, 8.3], 19.6),
    (MOPNR(), [20.5, 23.6, 21.7, 22.8, 25.0, 17.4, 17.7, 9.2], 19.7),
    (FIFO(), [23.9, 31.4, 27.4, 31.2, 31.2, 20.7, 23.9, 13.6], 25.4),
]


@pytest.mark.parametrize(("policy", "makespan"), TA01)
def test_ta01(policy, makespan):
    assert run(load("shop/ta01"), policy).metrics["makespan"] == makespan


@pytest.mark.parametrize(("policy", "classes", "overall"), MEAN_GAPS)
def test_mean_gaps_on_taillards_instances(policy, classes, overall):
    gaps = []
    for i in range(1, 81):
        makespan = run(load(f"shop/ta{i:02}"), policy).metrics["makespan"]
        gaps.append(100 * (makespan / bounds(f"ta{i:02}").upper - 1))
    assert np.mean(gaps) == pytest.approx(overall, abs=0.3)
    for k, gap in enumerate(classes):
        assert np.mean(gaps[10 * k : 10 * k + 10]) == pytest.approx(gap, abs=0.3), k


PEERS = [
    (SPT(), "shortest_processing_time"),
    (LPT(), "largest_processing_time"),
    (MWKR(), "most_work_remaining"),
    (MOPNR(), "most_operations_remaining"),
]


def peer_schedule(world: JobShop, rule: str) -> dict[str, int]:
    """Starts by operation, from job_shop_lib's dispatcher."""
    import job_shop_lib
    from job_shop_lib.dispatching.rules import DispatchingRuleSolver

    machines = {m.name: i for i, m in enumerate(world.machines)}
    jobs = [
        [job_shop_lib.Operation(machines[o.machine], o.duration) for o in job.operations]
        for job in world.jobs
    ]
    instance = job_shop_lib.JobShopInstance(jobs, name="peer")
    schedule = DispatchingRuleSolver(dispatching_rule=rule).solve(instance)
    return {
        f"{world.jobs[s.job_id].name}.{s.position_in_job}": s.start_time
        for machine in schedule.schedule
        for s in machine
    }


@pytest.mark.parametrize(("policy", "rule"), PEERS)
def test_the_same_schedules_as_another_library(policy, rule):
    worlds = [parse(FT06), parse(LA01)]
    worlds += [Taillard(jobs=8, machines=5).make(seed) for seed in range(4)]
    for world in worlds:
        ours = {s.name: s.start for s in simulate(world, policy).spans("run")}
        assert ours == peer_schedule(world, rule)


# Rules by their definitions, one operation at a time.
DUE_RULES = {
    EDD: lambda v, o: v.due[o],
    MDD: lambda v, o: max(v.due[o], v.now + v.remaining_work[o]),
    SlackPerOperation: lambda v, o: (v.due[o] - v.now - v.remaining_work[o]) / v.remaining_ops[o],
    CriticalRatio: lambda v, o: (v.due[o] - v.now) / v.remaining_work[o],
    WSPT: lambda v, o: v.duration[o] / v.weight[o] if v.weight[o] else math.inf,
    FIFO: lambda v, o: v.ready[o],
    LIFO: lambda v, o: -v.ready[o],
    LWKR: lambda v, o: v.remaining_work[o],
}


@st.composite
def views(draw: st.DrawFn) -> tuple[SimpleNamespace, np.ndarray]:
    """A view of a shop at some moment, with numbers of any size."""
    world = Disrupted(jobs=4, machines=3).make(draw(st.integers(0, 9)))
    data = arrays(world)
    count = len(data.job)
    columns = st.lists(st.integers(0, 300), min_size=count, max_size=count)
    op = draw(st.lists(st.integers(0, count - 1), min_size=1, unique=True).map(sorted))
    view = SimpleNamespace(
        arrays=data,
        now=draw(st.integers(0, 500)),
        duration=data.shortest,
        remaining_work=data.remaining_work,
        remaining_ops=data.remaining_ops,
        release=data.release,
        due=data.due,
        weight=np.array(draw(columns)) % 4,
        ready=np.array(draw(columns)),
    )
    return view, np.array(op)


@settings(max_examples=60, deadline=None)
@given(views())
def test_rules_over_arrays_are_the_definitions_for_each_operation(drawn):
    view, op = drawn
    for kind, definition in DUE_RULES.items():
        values = kind().priority(view, op)
        assert values.tolist() == pytest.approx([definition(view, o) for o in op.tolist()]), kind


@settings(max_examples=60, deadline=None)
@given(views(), st.floats(0.5, 5))
def test_atc_orders_as_its_published_index(drawn, k):
    view, op = drawn
    view.weight = view.weight + 1
    mean = view.duration[op].mean()
    index = []
    for o in op.tolist():
        own, rest = view.duration[o], view.remaining_work[o] - view.duration[o]
        slack = max(0, view.due[o] - view.now - own - (rest + 2 * rest))
        index.append(math.log(view.weight[o] / own) - slack / (k * mean))
    values = ATC(k=k).priority(view, op)
    assert (-values).tolist() == pytest.approx(index, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(views())
def test_flow_due_date_per_work_remaining(drawn):
    view, op = drawn
    values = FDDMWKR().priority(view, op).tolist()
    for o, value in zip(op.tolist(), values, strict=True):
        first = view.arrays.first[view.arrays.job[o]]
        up_to_here = view.release[o] + view.arrays.shortest[first : o + 1].sum()
        assert value == pytest.approx(up_to_here / view.remaining_work[o])


@settings(max_examples=40, deadline=None)
@given(views())
def test_a_composite_of_one_rule_orders_as_that_rule(drawn):
    view, op = drawn
    for field, kind in (("spt", SPT), ("mwkr", MWKR), ("mopnr", MOPNR), ("fifo", FIFO)):
        none = dict.fromkeys(("spt", "mwkr", "mopnr", "fifo"), 0.0)
        mixed = Composite(**none | {field: 2.5}).priority(view, op)
        alone = kind().priority(view, op)
        assert (
            np.argsort(mixed, kind="stable").tolist() == np.argsort(alone, kind="stable").tolist()
        )


def test_a_job_without_due_date_comes_last_under_due_date_rules():
    world = parse(LA01)
    assert (arrays(world).due == NEVER).all()
    # All due dates are equal, so the lowest job goes first: the same as any constant rule.
    assert {s.name: s.start for s in simulate(world, EDD()).spans("run")} == {
        s.name: s.start for s in simulate(world, Composite(spt=0, mwkr=0)).spans("run")
    }


def test_ties_go_to_the_lowest_job():
    view = SimpleNamespace(candidates=(3, 5, 8), duration=np.array([0, 0, 0, 7, 0, 4, 0, 0, 4]))
    start = SPT().begin(None, None).dispatch(view)
    assert start == (5, "spt 4, least of 3")


def test_random_gives_every_candidate_the_same_chance():
    from hocket.core.streams import Streams

    decider = Random().begin(None, Streams(1))
    view = SimpleNamespace(candidates=(2, 4, 9))
    drawn = [decider.dispatch(view).operation for _ in range(3000)]
    for candidate in view.candidates:
        # Binomial(3000, 1/3): standard deviation 26.
        assert abs(drawn.count(candidate) - 1000) < 5 * 26


def test_random_differs_between_seeds_and_not_between_runs():
    world = parse(LA01)
    ends = {simulate(world, Random(), seed=seed).digest() for seed in range(5)}
    assert len(ends) == 5
    assert simulate(world, Random(), seed=4).digest() in ends


@pytest.mark.parametrize("fields", [{"k": 0}, {"k": -1.0}, {"lead": -0.5}, {"k": math.nan}])
def test_atc_refuses_what_makes_no_sense(fields):
    with pytest.raises((InputError, ValueError)):
        load_policy("shop/atc", **fields)


class Faulty(rules.Rule, frozen=True):
    """What someone may write by mistake."""

    name = "shop/faulty"
    how: str = ""

    def priority(self, view, op):
        """See Rule.priority."""
        durations = view.duration[op] / 1
        wrong = {
            "one number": 3,
            "nothing": None,
            "too few": durations[1:],
            "a list": [1] * len(op),
        }
        return wrong[self.how] if self.how in wrong else np.where(durations > 2, math.nan, 1.0)


@pytest.mark.parametrize("how", ["one number", "nothing", "too few", "a list"])
def test_values_that_are_not_one_for_each_are_refused(how):
    why = "shop/faulty decided on .* priority must return an array with a number for each of"
    with pytest.raises(IllegalDecision, match=why):
        simulate(parse(FT06), Faulty(how=how))


def test_values_that_are_no_numbers_are_refused():
    """Rather than win every comparison, as NaN does with argmin."""
    for policy in (Faulty(how="nan"), GifflerThompson()):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(MWKR, "priority", lambda _, view, op: Faulty().priority(view, op))
            with pytest.raises(IllegalDecision, match="its priority is not a number"):
                simulate(parse(FT06), policy)


def test_every_rule_gives_a_feasible_schedule_of_ft06_above_its_optimum():
    world = parse(FT06)
    for kind in rules.POLICIES:
        timeline = simulate(world, kind(), seed=1)
        assert check(world, timeline) == []
        assert timeline.end >= 55
