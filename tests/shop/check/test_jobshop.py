import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.core.disturb.breakdowns import Breakdowns
from hocket.core.disturb.calendars import Calendar
from hocket.core.disturb.noise import LogNormal
from hocket.core.load import load
from hocket.core.timeline import Timeline
from hocket.shop.check.jobshop import check
from hocket.shop.generate import bounds
from hocket.shop.model import Machine, Setup
from hocket.shop.policies.plans import FollowPlan
from hocket.shop.policies.rules import FIFO, MWKR, Random
from hocket.shop.simulate.jobshop import simulate
from tests.shop.published import FT06
from tests.shop.simulate.cases import job, on_machine, parse, shop, shops


def record(*spans, arrivals=()):
    """A timeline from (kind, lane, name, start, end); the job is the name up to the dot."""
    timeline = Timeline()
    for kind, lane, name, start, end in spans:
        timeline.span(kind, lane, name.rpartition(".")[0], name, start, end)
    for name, time in arrivals:
        timeline.point("arrive", "", name, "", time)
    return timeline


def rules(world, timeline):
    return sorted({violation.rule for violation in check(world, timeline)})


def changed(timeline, at, **fields):
    """The same record with one span changed, or left out if nothing is said about it."""
    other = Timeline(timeline.unit, timeline.lanes)
    for n, span in enumerate(timeline.spans()):
        if n != at:
            other.span(*span)
        elif fields:
            other.span(*span._replace(**fields))
    for point in timeline.points():
        other.point(*point)
    return other


TWO = shop([[(0, 3), (1, 2)], [(0, 2), (1, 4)]])
FAIR = (
    ("run", "m0", "j0.0", 0, 3),
    ("run", "m0", "j1.0", 3, 5),
    ("run", "m1", "j0.1", 3, 5),
    ("run", "m1", "j1.1", 5, 9),
)


def test_a_fair_schedule_has_no_violation():
    assert check(TWO, record(*FAIR)) == []


@pytest.mark.parametrize(
    ("at", "span", "broken"),
    [
        (0, ("run", "m0", "j0.0", 1, 4), ["capacity", "precedence"]),
        (1, ("run", "m0", "j1.0", 2, 4), ["capacity"]),
        (1, ("run", "m0", "j1.0", 4, 6), ["precedence"]),
        (2, ("run", "m1", "j0.1", 2, 4), ["precedence"]),
        (3, ("run", "m1", "j1.1", 5, 8), ["duration"]),
        (3, ("run", "m1", "j1.1", 5, 10), ["duration"]),
        (3, ("run", "m1", "j1.1", 9, 5), ["duration", "order"]),
        (3, ("run", "m0", "j1.1", 5, 9), ["machine"]),
        (3, ("run", "drill", "j1.1", 5, 9), ["machine"]),
        (3, ("run", "m1", "j1.2", 5, 9), ["missing", "unknown"]),
        (3, ("run", "m1", "j9.1", 5, 9), ["missing", "unknown"]),
        (3, ("down", "m1", "j1.1", 5, 9), ["missing"]),
        (0, ("run", "m0", "j0.0", -1, 2), ["capacity", "release"]),
    ],
)
def test_every_single_fault_is_named(at, span, broken):
    spans = [*FAIR[:at], span, *FAIR[at + 1 :]]
    assert rules(TWO, record(*spans)) == broken


def test_a_missing_operation_is_named():
    (violation,) = check(TWO, record(*FAIR[:3]))
    assert str(violation) == "missing: j1.1 of j1 is never run"


def test_a_second_run_of_an_operation_is_too_much():
    assert rules(TWO, record(*FAIR, ("run", "m0", "j0.0", 9, 12))) == [
        "capacity",
        "duration",
        "interrupted",
        "precedence",
    ]


def test_parts_of_one_operation_stay_on_one_machine_and_apart():
    halves = (("run", "m0", "j0.0", 0, 2), ("run", "m1", "j0.0", 2, 3))
    assert "machine" in rules(TWO, record(*halves, *FAIR[1:]))
    over = (("run", "m0", "j0.0", 0, 2), ("run", "m0", "j0.0", 1, 2))
    assert "overlap" in rules(TWO, record(*over, *FAIR[1:]))


def test_release_and_arrival():
    world = on_machine(Machine(name="m0"), job("a", 2, release=3))
    assert check(world, record(("run", "m0", "a.0", 3, 5))) == []
    assert rules(world, record(("run", "m0", "a.0", 2, 4))) == ["release"]
    from hocket.core.disturb.arrivals import Poisson

    random = msgspec.structs.replace(world, arrivals=Poisson(rate=1.0))
    spans = ("run", "m0", "a.0", 3, 5)
    assert rules(random, record(spans, arrivals=[("a", 4)])) == ["release"]
    assert check(random, record(spans, arrivals=[("a", 2)])) == []


def test_setups_must_be_made_and_no_others():
    world = on_machine(
        Machine(name="m0", family="a"),
        job("x", 2, family="a"),
        job("y", 2, family="b"),
        setups=(Setup(before="a", after="b", duration=3),),
    )
    runs = (("run", "m0", "x.0", 0, 2), ("run", "m0", "y.0", 5, 7))
    assert check(world, record(*runs, ("setup", "m0", "y.0", 2, 5))) == []
    assert rules(world, record(*runs)) == ["setup"]
    assert rules(world, record(*runs, ("setup", "m0", "y.0", 3, 5))) == ["setup"]
    assert rules(world, record(*runs, ("setup", "m0", "y.0", 1, 4))) == ["capacity"]
    assert rules(world, record(*runs, ("setup", "m0", "y.0", 7, 10))) == ["order"]


def test_work_stops_while_closed_and_only_then():
    world = on_machine(
        Machine(name="m0", calendar=Calendar(period=10, open=((0, 4),))), job("a", 6)
    )
    good = (("run", "m0", "a.0", 0, 4), ("run", "m0", "a.0", 10, 12))
    assert check(world, record(*good)) == []
    assert rules(world, record(("run", "m0", "a.0", 0, 6))) == ["outage"]
    late = (("run", "m0", "a.0", 0, 4), ("run", "m0", "a.0", 11, 13))
    assert rules(world, record(*late)) == ["interrupted"]
    early = (("run", "m0", "a.0", 0, 3), ("run", "m0", "a.0", 10, 13))
    assert rules(world, record(*early)) == ["interrupted"]


def test_breakdowns_count_as_recorded():
    world = on_machine(
        Machine(name="m0", breakdowns=Breakdowns(mean_up=9, mean_down=1)), job("a", 6)
    )
    halves = (("run", "m0", "a.0", 0, 4), ("run", "m0", "a.0", 5, 7))
    broken = Timeline()
    for span in record(*halves).spans():
        broken.span(*span)
    assert rules(world, broken) == ["interrupted"]
    broken.span("broken", "m0", "", "broken", 4, 5)
    assert check(world, broken) == []
    broken.span("broken", "m0", "", "broken", 6, 9)
    assert rules(world, broken) == ["outage"]


def test_noise_frees_durations_and_nothing_else():
    world = msgspec.structs.replace(TWO, noise=LogNormal(cv=0.2))
    longer = (*FAIR[:3], ("run", "m1", "j1.1", 5, 30))
    assert check(world, record(*longer)) == []
    assert rules(world, record(("run", "m0", "j0.0", 0, 4), *FAIR[1:])) == [
        "capacity",
        "precedence",
    ]


def test_no_wait():
    world = msgspec.structs.replace(TWO, no_wait=True)
    assert check(world, record(*FAIR)) == []
    assert rules(world, record(*FAIR[:3], ("run", "m1", "j1.1", 6, 10))) == ["no-wait"]


def test_without_buffers_a_job_keeps_its_machine():
    world = shop([[(0, 2), (1, 3)], [(1, 4)], [(0, 1)]], blocking="swap")
    runs = (
        ("run", "m0", "j0.0", 0, 2),
        ("run", "m1", "j1.0", 0, 4),
        ("run", "m1", "j0.1", 4, 7),
    )
    blocked = ("blocked", "m0", "j0.0", 2, 4)
    later, sooner = ("run", "m0", "j2.0", 4, 5), ("run", "m0", "j2.0", 2, 3)
    assert check(world, record(*runs, blocked, later)) == []
    assert rules(world, record(*runs, later)) == ["buffer"]
    assert rules(world, record(*runs, blocked, sooner)) == ["capacity"]
    assert rules(world, record(*runs, ("blocked", "m0", "j0.0", 1, 4), later)) == ["order"]


def test_a_swap_needs_permission():
    jobs = [[(0, 2), (1, 3)], [(1, 4), (0, 1)]]
    spans = (
        ("run", "m0", "j0.0", 0, 2),
        ("blocked", "m0", "j0.0", 2, 4),
        ("run", "m1", "j1.0", 0, 4),
        ("run", "m1", "j0.1", 4, 7),
        ("run", "m0", "j1.1", 4, 5),
    )
    assert check(shop(jobs, blocking="swap"), record(*spans)) == []
    (violation,) = check(shop(jobs, blocking="no-swap"), record(*spans))
    assert str(violation) == "swap: jobs exchange m0, m1 at 4"


def test_a_chain_of_moves_at_one_instant_is_no_swap():
    # At 3, j1 leaves m1 for good, j0 follows it from m0, and j2 takes m0.
    world = shop([[(0, 1), (1, 2)], [(1, 3)], [(0, 4)]], blocking="no-swap")
    spans = (
        ("run", "m0", "j0.0", 0, 1),
        ("blocked", "m0", "j0.0", 1, 3),
        ("run", "m1", "j1.0", 0, 3),
        ("run", "m1", "j0.1", 3, 5),
        ("run", "m0", "j2.0", 3, 7),
    )
    assert check(world, record(*spans)) == []


def test_one_job_that_comes_and_goes_in_no_time_is_no_swap():
    world = shop([[(0, 0), (1, 0), (0, 0)]], blocking="no-swap")
    spans = [("run", f"m{k % 2}", f"j0.{k}", 0, 0) for k in range(3)]
    assert check(world, record(*spans)) == []


@settings(max_examples=60, deadline=None)
@given(shops(), st.integers(0, 2), st.data())
def test_leaving_out_or_renaming_any_span_of_work_is_seen(world, seed, data):
    timeline = simulate(world, Random(), seed=seed)
    spans = list(timeline.spans())
    work = [n for n, span in enumerate(spans) if span.kind == "run" and span.end > span.start]
    if not work:
        return
    at = data.draw(st.sampled_from(work))
    assert check(world, changed(timeline, at, group="nobody"))
    assert check(world, changed(timeline, at, name="nothing"))
    assert check(world, changed(timeline, at, lane="nowhere"))
    if world.noise is None:
        assert check(world, changed(timeline, at))
        assert check(world, changed(timeline, at, end=spans[at].end + 1))


def squeezed(timeline, end):
    """The same order of events in less time: every instant scaled down."""
    other = Timeline(timeline.unit, timeline.lanes)
    for span in timeline.spans():
        start, stop = (t * end // timeline.end for t in (span.start, span.end))
        other.span(*span._replace(start=start, end=stop))
    return other


def shifted(timeline, by):
    """Everything that ends too late moved to the left, as it is."""
    other = Timeline(timeline.unit, timeline.lanes)
    for span in timeline.spans():
        late = min(by, span.start) if span.end > timeline.end - by else 0
        other.span(*span._replace(start=span.start - late, end=span.end - late))
    return other


@pytest.mark.parametrize(("name", "optimum"), [("ft06", 55), ("ta01", 1231)])
def test_nothing_below_the_proven_optimum_is_accepted(name, optimum):
    world = parse(FT06) if name == "ft06" else load("shop/ta01")
    assert bounds(name).upper == bounds(name).lower == optimum
    for seed in range(30):
        timeline = simulate(world, Random(), seed=seed)
        assert check(world, timeline) == []
        assert timeline.end >= optimum
        # The orders of the machines alone give the same schedule again.
        assert simulate(world, FollowPlan.of(timeline)).end <= timeline.end
        for claim in (
            squeezed(timeline, optimum - 1),
            shifted(timeline, timeline.end - optimum + 1),
        ):
            assert claim.end < optimum
            assert check(world, claim) != []


def test_moving_single_operations_never_gets_below_the_optimum():
    world = parse(FT06)
    rng = np.random.default_rng(0)
    timeline = simulate(world, MWKR())
    best = timeline.end
    for _ in range(1500):
        spans = list(timeline.spans())
        at = int(rng.integers(len(spans)))
        by = int(rng.integers(-8, 9))
        moved = changed(timeline, at, start=spans[at].start + by, end=spans[at].end + by)
        if not check(world, moved):
            timeline = moved
            best = min(best, moved.end)
    assert 55 <= best <= 61


def test_a_schedule_of_another_shop_is_rejected():
    other = parse(FT06)
    fewer = msgspec.structs.replace(other, jobs=other.jobs[:-1])
    timeline = simulate(other, FIFO())
    assert rules(fewer, timeline) == ["unknown"]
    assert "missing" in rules(other, simulate(fewer, FIFO()))


def test_what_takes_no_time_at_one_instant_comes_in_the_order_of_the_record():
    world = on_machine(
        Machine(name="m0", family="a"),
        job("x", 0, family="a"),
        job("y", 0, family="b"),
        job("z", 5, family="b"),
        setups=(Setup(before="b", after="a", duration=3),),
    )
    x, y = ("run", "m0", "x.0", 0, 0), ("run", "m0", "y.0", 0, 0)
    assert check(world, record(x, y, ("run", "m0", "z.0", 0, 5))) == []
    assert rules(world, record(y, x, ("run", "m0", "z.0", 0, 5))) == ["setup"]
