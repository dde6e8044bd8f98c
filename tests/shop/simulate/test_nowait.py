import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.core.disturb.calendars import Calendar
from hocket.core.errors import Deadlock, IllegalDecision
from hocket.shop.check.jobshop import check
from hocket.shop.dispatch import Start
from hocket.shop.model import Job, JobShop, Machine, Operation, Setup
from hocket.shop.policies.rules import FIFO, LPT, SPT, Random
from hocket.shop.simulate.jobshop import simulate
from tests.shop.published import FT06
from tests.shop.simulate.cases import job, nowait_shops, on_machine, parse, shop
from tests.shop.simulate.test_jobshop import Scripted, runs


@settings(max_examples=120, deadline=None)
@given(nowait_shops(), st.sampled_from([FIFO(), SPT(), LPT(), Random()]), st.integers(0, 2))
def test_any_combination_of_options_gives_a_feasible_schedule_and_the_same_again(
    world, policy, seed
):
    timeline = simulate(world, policy, seed=seed)
    assert check(world, timeline) == []
    assert simulate(world, policy, seed=seed) == timeline


def test_a_job_starts_when_its_whole_chain_fits():
    # j1 would reach m1 at 1, but j0 has it from 2 to 6: j1 can pass before it only if it is short.
    world = shop([[(0, 2), (1, 4)], [(2, 1), (1, 1)], [(2, 1), (1, 2)]], no_wait=True)
    assert runs(simulate(world, FIFO())) == [
        ("m0", "j0.0", 0, 2),
        ("m1", "j0.1", 2, 6),
        ("m2", "j1.0", 0, 1),
        ("m1", "j1.1", 1, 2),
        ("m2", "j2.0", 5, 6),
        ("m1", "j2.1", 6, 8),
    ]


def test_ft06_takes_longer_than_with_waiting_and_never_beats_the_optimum():
    world = parse(FT06, no_wait=True)
    for policy in (FIFO(), SPT(), LPT()):
        timeline = simulate(world, policy)
        assert check(world, timeline) == []
        assert timeline.end >= 73  # the proven optimum of ft06 without waiting


def test_closing_hours_are_never_crossed():
    shift = Calendar(period=10, open=((0, 6),))
    world = on_machine(
        Machine(name="m0", calendar=shift), *(job(f"j{i}", 4) for i in range(3)), no_wait=True
    )
    assert [r[2] for r in runs(simulate(world, FIFO()))] == [0, 10, 20]


def test_a_job_longer_than_every_shift_is_a_deadlock_that_says_so():
    world = on_machine(
        Machine(name="m0", calendar=Calendar(period=10, open=((0, 6),))),
        job("long", 7),
        no_wait=True,
    )
    with pytest.raises(Deadlock, match="long fits into no stretch of opening hours"):
        simulate(world, FIFO())


def test_setups_are_made_between_bookings():
    world = on_machine(
        Machine(name="m0", family="a"),
        job("x", 3, family="a"),
        job("y", 2, family="b"),
        setups=(Setup(before="a", after="b", duration=4),),
        no_wait=True,
    )
    timeline = simulate(world, FIFO())
    assert runs(timeline) == [("m0", "x.0", 0, 3), ("m0", "y.0", 7, 9)]
    assert runs(timeline, "setup") == [("m0", "y.0", 3, 7)]


def test_setups_between_two_visits_of_one_job_need_their_time():
    again = Job(
        name="again",
        operations=(
            Operation(machine="m0", duration=2, family="a"),
            Operation(machine="m1", duration=3),
            Operation(machine="m0", duration=1, family="b"),
        ),
    )
    world = JobShop(
        machines=(Machine(name="m0"), Machine(name="m1")),
        jobs=(again,),
        setups=(Setup(before="a", after="b", duration=3),),
        no_wait=True,
    )
    timeline = simulate(world, FIFO())
    assert check(world, timeline) == []
    assert runs(timeline, "setup") == [("m0", "again.2", 2, 5)]
    longer = msgspec.structs.replace(world, setups=(Setup(before="a", after="b", duration=4),))
    with pytest.raises(Deadlock, match=r"again .* visits a machine again before it can be set up"):
        simulate(longer, FIFO())


def test_errors_name_the_policy():
    world = shop([[(0, 2), (1, 4)], [(0, 1)]], no_wait=True)
    with pytest.raises(
        IllegalDecision, match=r"shop/scripted decided .* only these fit now: j0\.0"
    ):
        simulate(world, Scripted(answer=lambda view: Start(1)))
    with pytest.raises(Deadlock, match="shop/scripted lets jobs wait for ever, first j0"):
        simulate(world, Scripted(answer=lambda view: None))
