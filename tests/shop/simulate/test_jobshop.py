import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.core.disturb.arrivals import Poisson, TraceArrivals
from hocket.core.disturb.breakdowns import Breakdowns
from hocket.core.disturb.calendars import Calendar
from hocket.core.disturb.noise import GammaNoise, LogNormal
from hocket.core.errors import Deadlock, IllegalDecision, InputError
from hocket.core.policy import Policy
from hocket.core.run import run
from hocket.shop.check.jobshop import check
from hocket.shop.dispatch import Start
from hocket.shop.model import Alternative, Job, JobShop, Machine, Operation, Setup
from hocket.shop.policies.rules import FIFO, LPT, MWKR, SPT, Random
from hocket.shop.simulate.jobshop import simulate
from tests.shop.simulate.cases import job, on_machine, shop, shops

RULES = (FIFO(), SPT(), LPT(), MWKR(), Random())


def runs(timeline, kind="run"):
    return [(s.lane, s.name, s.start, s.end) for s in timeline.spans(kind)]


class Scripted(Policy, frozen=True):
    """Answers what a function says; for these tests."""

    name = "shop/scripted"
    problems = ("shop/job-shop",)
    answer: object = None

    def begin(self, scenario, streams):
        answer = self.answer

        class Decider:
            def dispatch(self, view):
                return answer(view)

        return Decider()


@settings(max_examples=150, deadline=None)
@given(shops(), st.sampled_from(RULES), st.integers(0, 3))
def test_any_combination_of_options_gives_a_feasible_schedule_and_the_same_again(
    world, policy, seed
):
    timeline = simulate(world, policy, seed=seed)
    assert check(world, timeline) == []
    assert simulate(world, policy, seed=seed).digest() == timeline.digest()


def test_two_jobs_by_hand():
    # m0: j0 0-3, j1 3-5; m1: j0 3-5, j1 5-9.
    world = shop([[(0, 3), (1, 2)], [(0, 2), (1, 4)]])
    timeline = simulate(world, FIFO())
    assert runs(timeline) == [
        ("m0", "j0.0", 0, 3),
        ("m0", "j1.0", 3, 5),
        ("m1", "j0.1", 3, 5),
        ("m1", "j1.1", 5, 9),
    ]
    assert [(p.group, p.time) for p in timeline.points("arrive")] == [("j0", 0), ("j1", 0)]


def test_work_that_takes_no_time_passes_through_every_machine_at_once():
    world = shop([[(0, 0), (1, 0), (0, 0)], [(1, 0), (0, 5)]])
    timeline = simulate(world, FIFO())
    assert timeline.end == 5
    assert check(world, timeline) == []


def test_jobs_are_not_started_before_their_release():
    world = on_machine(Machine(name="m0"), job("late", 2, release=7), job("early", 3))
    assert runs(simulate(world, SPT())) == [("m0", "early.0", 0, 3), ("m0", "late.0", 7, 9)]


def test_arrivals_replace_releases():
    world = on_machine(
        Machine(name="m0"), job("a", 2, release=50), job("b", 2), arrivals=TraceArrivals(at=(1, 9))
    )
    assert runs(simulate(world, FIFO())) == [("m0", "a.0", 1, 3), ("m0", "b.0", 9, 11)]


@pytest.mark.parametrize("no_wait", [False, True])
def test_recorded_arrivals_must_suffice_for_the_jobs(no_wait):
    world = on_machine(
        Machine(name="m0"),
        job("a", 2),
        job("b", 2),
        arrivals=TraceArrivals(at=(1,)),
        no_wait=no_wait,
    )
    with pytest.raises(InputError, match="arrivals: 1 arrivals are too few for 2 jobs"):
        simulate(world, FIFO())


def test_a_flexible_operation_takes_the_free_machine():
    choice = Operation(
        alternatives=(
            Alternative(machine="m0", duration=4),
            Alternative(machine="m1", duration=6),
        )
    )
    world = JobShop(
        machines=(Machine(name="m0"), Machine(name="m1")),
        jobs=(Job(name="a", operations=(choice,)), Job(name="b", operations=(choice,))),
    )
    assert runs(simulate(world, FIFO())) == [("m0", "a.0", 0, 4), ("m1", "b.0", 0, 6)]


def test_setups_follow_the_families_and_a_machines_own_time_wins():
    world = on_machine(
        Machine(name="m0", family="red"),
        job("a", 2, family="red"),
        job("b", 3, family="blue"),
        job("c", 4, family="red"),
        setups=(
            Setup(before="red", after="blue", duration=5),
            Setup(before="blue", after="red", duration=9),
            Setup(before="blue", after="red", duration=1, machine="m0"),
        ),
    )
    timeline = simulate(world, FIFO())
    assert runs(timeline) == [("m0", "a.0", 0, 2), ("m0", "b.0", 7, 10), ("m0", "c.0", 11, 15)]
    assert runs(timeline, "setup") == [("m0", "b.0", 2, 7), ("m0", "c.0", 10, 11)]


def test_no_work_is_done_while_a_machine_is_closed():
    shift = Calendar(period=10, open=((2, 6),), closed=((22, 24),))
    world = on_machine(Machine(name="m0", calendar=shift), *(job(f"j{i}", 3) for i in range(5)))
    timeline = simulate(world, FIFO())
    worked = {t for _, _, start, end in runs(timeline) for t in range(start, end)}
    assert all(shift.is_open(t) for t in worked)
    assert len(worked) == 15
    # The fifteen ticks end at the fifteenth open one: nothing is idle while there is work.
    assert timeline.end == shift.finish(0, 15)
    assert check(world, timeline) == []


def test_a_breakdown_pauses_the_work_and_it_resumes():
    breaks = Breakdowns(mean_up=4, mean_down=3, up="fixed", down="fixed")
    world = on_machine(Machine(name="m0", breakdowns=breaks), job("a", 10))
    timeline = simulate(world, FIFO())
    assert runs(timeline) == [("m0", "a.0", 0, 4), ("m0", "a.0", 7, 11), ("m0", "a.0", 14, 16)]
    assert [(s.start, s.end) for s in timeline.spans("broken")] == [(4, 7), (11, 14)]


def test_overlapping_outages_are_one_to_the_work():
    # Closed 4-10 of every 10; down 3-5, 8-10, 13-15, ...: open and up are 0-3, 10-13, 20-23.
    machine = Machine(
        name="m0",
        calendar=Calendar(period=10, open=((0, 4),)),
        breakdowns=Breakdowns(mean_up=3, mean_down=2, up="fixed", down="fixed"),
    )
    timeline = simulate(on_machine(machine, job("a", 7)), FIFO())
    assert runs(timeline) == [("m0", "a.0", 0, 3), ("m0", "a.0", 10, 13), ("m0", "a.0", 20, 21)]
    assert check(on_machine(machine, job("a", 7)), timeline) == []


def test_breakdowns_cost_the_share_of_time_that_the_machine_is_down():
    breaks = Breakdowns(mean_up=300, mean_down=100)
    world = on_machine(Machine(name="m0", breakdowns=breaks), job("a", 2_000_000))
    end = simulate(world, FIFO(), seed=5).end
    # Availability 3/4. Over n cycles the mean of up and down vary by about 1/sqrt(n) each.
    cycles = 2_000_000 / 300
    assert end == pytest.approx(2_000_000 / breaks.availability, rel=3 / math.sqrt(cycles))


def test_noise_leaves_the_mean_duration_and_varies_from_seed_to_seed():
    jobs = [job(f"j{i}", 1000) for i in range(2000)]
    world = on_machine(Machine(name="m0"), *jobs, noise=LogNormal(cv=0.3))
    ends = [simulate(world, FIFO(), seed=seed).end for seed in (0, 1)]
    assert ends[0] != ends[1]
    for end in ends:
        assert end == pytest.approx(2_000_000, rel=4 * 0.3 / math.sqrt(2000))


def test_luck_is_common_to_all_policies_and_a_new_machine_changes_none():
    jobs = tuple(job(f"j{i}", 20) for i in range(6))
    breaks = Breakdowns(mean_up=30, mean_down=10)
    world = on_machine(Machine(name="m0", breakdowns=breaks), *jobs, noise=LogNormal(cv=0.5))
    wider = msgspec.structs.replace(
        world, machines=(Machine(name="new", breakdowns=breaks), *world.machines)
    )

    def lengths(timeline):
        found = {}
        for span in timeline.spans("run"):
            found[span.group] = found.get(span.group, 0) + span.end - span.start
        return found

    def breakdowns(timeline, until):
        return [s[4:6] for s in timeline.spans("broken") if s.lane == "m0" and s.end < until]

    fifo, spt, wide = (
        simulate(world, FIFO(), seed=3),
        simulate(world, SPT(), seed=3),
        simulate(wider, FIFO(), seed=3),
    )
    until = min(fifo.end, spt.end, wide.end)
    assert lengths(fifo) == lengths(spt) == lengths(wide)
    assert breakdowns(fifo, until) == breakdowns(spt, until) == breakdowns(wide, until) != []


def test_one_machine_under_fifo_is_the_mm1_queue():
    """Mean wait rho / (mu - lambda) (Kleinrock, Queueing Systems I, 1975, section 3.2)."""
    mean, load, count = 10_000, 0.5, 20_000
    jobs = tuple(job(f"j{i}", mean) for i in range(count))
    world = on_machine(
        Machine(name="m0"), *jobs, arrivals=Poisson(rate=load / mean), noise=GammaNoise(cv=1)
    )
    result = run(world, FIFO(), seed=11)
    # Flow time is wait plus service: mean / (1 - rho).
    assert result.metrics["mean_flow_time"] == pytest.approx(mean / (1 - load), rel=0.06)
    assert result.metrics["utilisation"] == pytest.approx(load, rel=0.04)


def test_a_policy_may_let_a_machine_wait():
    world = shop([[(0, 5)], [(0, 1)], [(1, 2), (0, 1)]])

    def wait_for_j2(view):
        now = [o for o in view.candidates if o == 3 or view.finished[3] >= 0 or view.machine == 1]
        return Start(now[0], "after j2") if now else None

    timeline = simulate(world, Scripted(answer=wait_for_j2))
    assert runs(timeline)[:2] == [("m1", "j2.0", 0, 2), ("m0", "j2.1", 2, 3)]
    assert {s.reason for s in timeline.spans("run")} == {"after j2"}


def test_waiting_for_ever_is_a_deadlock_that_names_the_policy():
    world = shop([[(0, 5)], [(0, 1)]])
    with pytest.raises(Deadlock, match=r"at time 0 .*shop/scripted lets free machines wait.*j0\.0"):
        simulate(world, Scripted(answer=lambda view: None))


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Start(1), r"shop/scripted decided to start j0\.1 on m0 at time 0.*only these.*j0\.0, j1"),
        (Start(99), r"Start\(operation=99"),
        (Start(-1), r"Start\(operation=-1"),
        (0, r"decided 0 at time 0"),
        ("j0.0", r"decided 'j0\.0'"),
    ],
)
def test_an_illegal_decision_names_the_policy_the_time_and_what_was_possible(answer, told):
    world = shop([[(0, 5), (1, 2)], [(0, 1)]])
    with pytest.raises(IllegalDecision, match=told):
        simulate(world, Scripted(answer=lambda view: answer))


def test_a_started_operation_cannot_be_started_again():
    world = shop([[(0, 2)], [(0, 2)]])
    with pytest.raises(IllegalDecision, match="at time 2"):
        simulate(world, Scripted(answer=lambda view: Start(0)))


def test_the_view_is_read_only_and_tells_the_state():
    seen = []

    def look(view):
        for name in ("duration", "remaining_work", "ready", "started", "assigned", "arrived", "up"):
            with pytest.raises(ValueError, match="read-only"):
                getattr(view, name)[0] = 1
        seen.append((view.now, view.machine, view.candidates, view.started.tolist()))
        return Start(view.candidates[-1])

    simulate(shop([[(0, 2), (1, 1)], [(0, 3)]]), Scripted(answer=look))
    assert seen == [
        (0, 0, (0, 2), [-1, -1, -1]),
        (3, 0, (0,), [-1, -1, 0]),
        (5, 1, (1,), [3, -1, 0]),
    ]


def test_a_machine_that_is_down_is_not_offered():
    world = JobShop(
        machines=(
            Machine(name="m0", calendar=Calendar(period=100, open=((10, 100),))),
            Machine(name="m1"),
        ),
        jobs=(job("a", 1), job("b", 1, machine="m1")),
    )
    times = []

    def note(view):
        times.append((view.now, view.machine, view.up.tolist()))
        return Start(view.candidates[0])

    simulate(world, Scripted(answer=note))
    assert times == [(0, 1, [False, True]), (10, 0, [True, True])]


def test_random_breakdowns_do_not_depend_on_numpys_global_state():
    world = on_machine(
        Machine(name="m0", breakdowns=Breakdowns(mean_up=9, mean_down=3)), job("a", 50)
    )
    np.random.seed(1)  # noqa: NPY002
    first = simulate(world, Random(), seed=1)
    np.random.seed(2)  # noqa: NPY002
    assert simulate(world, Random(), seed=1) == first
