"""The two-level virtual time: traces worked by hand, and the fluid system that it stands for.

With fractions in, everything is exact.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.cluster.sharing.fair_queue import FairQueue
from hocket.cluster.sharing.virtual_time import VirtualTime
from tests.cluster.sharing.fluid import Arrival, finishes

ARRIVALS = st.lists(
    st.builds(Arrival, st.integers(0, 60), st.sampled_from("abc"), st.integers(1, 40)),
    min_size=1,
    max_size=12,
).map(lambda arrivals: sorted(arrivals, key=lambda arrival: arrival.time))


def test_jobs_of_a_user_are_chained_in_the_order_in_which_they_would_be_done() -> None:
    fluid = VirtualTime(Fraction(2))
    assert fluid.submit("ada", 1, 10, 0) == {1: 10}
    assert fluid.submit("bob", 2, 12, 0) == {2: 12}
    # At 4, V is 4: two cores for two users. Ada's user time is 4 too: her job ends at 10.
    assert fluid.submit("ada", 3, 3, 4) == {3: 3, 1: 13}  # ends at 7, so it comes first
    assert fluid.virtual == 4
    # From 4 on, ada's time goes at half the pace. At 10 (V is 10) it is 7, and job 3 leaves;
    # at 11 it is 8. So job 4 ends at 8 + 1.5, before job 1, and is chained from 0 + 3.
    assert fluid.submit("ada", 4, Fraction(3, 2), 11) == {4: Fraction(9, 2), 1: Fraction(29, 2)}
    # Bob leaves at V = 12, then ada has both cores until V = 14.5.
    fluid.advance(12)
    assert fluid.virtual == 12
    fluid.advance(Fraction(53, 4))
    assert fluid.virtual == Fraction(29, 2)
    fluid.advance(1000)
    assert fluid.virtual == Fraction(29, 2)  # stands still while nobody is there
    assert fluid.now == 1000


def test_users_who_come_do_not_change_the_deadlines_of_others() -> None:
    fluid = VirtualTime(Fraction(4))
    assert fluid.submit("ada", 1, 40, 0) == {1: 40}
    assert fluid.submit("bob", 2, 10, 5) == {2: 30}  # V was 20
    assert fluid.submit("cyd", 3, 10, 6) == {3: 32}
    assert fluid.submit("ada", 4, 40, 6) == {1: 40, 4: 80}


def test_a_later_stage_keeps_the_place_of_its_job_while_nothing_is_revised() -> None:
    fluid = VirtualTime(Fraction(1))
    fluid.submit("ada", 1, 10, 0)
    fluid.submit("ada", 2, 4, 0)
    assert fluid.submit("ada", 1, 10, 2) == {2: 4, 1: 14}
    # At 8 job 2 has left. A stage of it that is late keeps the deadline that it had.
    assert fluid.submit("ada", 2, 4, 9) == {1: 14, 2: 4}


def test_a_revised_estimate_moves_the_job_and_those_behind_it() -> None:
    fluid = VirtualTime(Fraction(1))
    fluid.submit("ada", 1, 10, 0)
    fluid.submit("ada", 2, 20, 0)
    assert fluid.submit("ada", 1, 25, 4) == {2: 20, 1: 45}  # now it ends last
    assert fluid.submit("ada", 1, 5, 6) == {1: 5, 2: 25}
    # At 10 ada's time is 5 and job 1 leaves; it had 5. Thought to need 8, it comes back for 3.
    assert fluid.submit("ada", 1, 8, 11) == {1: 8, 2: 28}


def test_what_a_job_was_given_cannot_be_taken_back() -> None:
    fluid = VirtualTime(Fraction(1))
    fluid.submit("ada", 1, 10, 0)
    assert fluid.submit("ada", 1, 2, 6) == {1: 6}
    assert fluid.submit("bob", 2, 1, 7) == {2: 7}  # ada has left at V = 6, which stands still


@pytest.mark.parametrize(
    ("away", "more", "deadline"),
    [
        (5, 0, 10),  # within the grace: the place is kept
        (5, 3, 13),
        (20, 0, 10),
        (21, 0, 41),  # beyond: as if it were new, with all of its work
        (21, 3, 44),
    ],
)
def test_grace_for_a_late_stage_of_a_user_who_has_left(away: int, more: int, deadline: int) -> None:
    fluid = VirtualTime(Fraction(4), grace=Fraction(10))  # of half of the cores: 20 of virtual time
    fluid.submit("ada", 1, 10, 0)
    fluid.submit("bob", 2, 1000, 0)
    # Ada leaves at V = 10, at time 5; then V goes at 4.
    assert fluid.submit("ada", 1, 10 + more, 5 + Fraction(away, 4)) == {1: deadline}
    if deadline <= 10 + away:  # ada's end is past: she leaves at once, and bob has all four cores
        fluid.advance(6 + Fraction(away, 4))
        assert fluid.virtual == 10 + away + 4


def test_a_new_job_of_a_user_who_has_left_starts_anew_however_soon() -> None:
    fluid = VirtualTime(Fraction(4), grace=Fraction(10))
    fluid.submit("ada", 1, 10, 0)
    fluid.submit("bob", 2, 1000, 0)
    assert fluid.submit("ada", 3, 10, 6) == {3: 24}
    # A late stage of the old job, while the user is back, has its old place.
    assert fluid.submit("ada", 1, 10, 6) == {3: 24, 1: 10}


def test_what_is_really_done_is_forgotten_but_still_counts_in_the_fluid_system() -> None:
    fluid = VirtualTime(Fraction(1))
    fluid.submit("ada", 1, 10, 0)
    fluid.submit("ada", 2, 10, 0)
    fluid.done("ada", 1)
    fluid.done("nobody", 1)
    assert fluid.submit("ada", 3, 5, 2) == {3: 5, 1: 15, 2: 25}
    fluid.advance(25)
    assert fluid.virtual == 25
    assert fluid.submit("ada", 1, 10, 25) == {1: 35}  # nobody remembers it


def test_a_clock_that_is_set_back_stands_still() -> None:
    fluid = VirtualTime(2.0)
    fluid.submit("ada", 1, 10.0, 3.0)
    assert fluid.submit("bob", 2, 10.0, 1.0) == {2: 10.0}
    assert fluid.now == 3.0


def test_cores_come_and_go() -> None:
    fluid = VirtualTime(Fraction(2))
    fluid.submit("ada", 1, 100, 0)
    fluid.resize(Fraction(4), 10)
    fluid.advance(15)
    assert fluid.virtual == 40


@given(arrivals=ARRIVALS, cores=st.integers(1, 4))
def test_it_is_the_fluid_system(arrivals: list[Arrival], cores: int) -> None:
    """Users leave when their last deadline is reached, and jobs are chained as they are done."""
    ends = finishes(arrivals, cores)
    fluid = VirtualTime(Fraction(cores))
    deadlines: dict[int, Fraction] = {}
    reached = sorted((end, i) for i, end in enumerate(ends))
    before: list[tuple[int, Fraction]] = []  # jobs that are done, and V then
    for number, (time, user, work) in enumerate(arrivals):
        while reached and reached[0][0] <= time:
            end, i = reached.pop(0)
            fluid.advance(end)
            before.append((i, fluid.virtual))
        deadlines |= fluid.submit(user, number, work, time)
    for end, i in reached:
        fluid.advance(end)
        before.append((i, fluid.virtual))
    for i, virtual in before:
        assert deadlines[i] <= virtual  # never later than with its fair share
    for user in "abc":
        own = [(end, deadlines[i]) for i, end in enumerate(ends) if arrivals[i].user == user]
        for (one, first), (other, second) in pairwise(sorted(own)):
            assert one == other or first < second
        if own:
            last = max(own)[0]
            assert max(d for _, d in own) == next(
                v for i, v in before if arrivals[i].user == user and ends[i] == last
            )


@given(arrivals=ARRIVALS, cores=st.integers(1, 4))
def test_floats_say_the_same(arrivals: list[Arrival], cores: int) -> None:
    exact, rounded = VirtualTime(Fraction(cores)), VirtualTime(float(cores))
    for number, (time, user, work) in enumerate(arrivals):
        left = exact.submit(user, number, work, time)
        right = rounded.submit(user, number, float(work), float(time))
        for job, deadline in left.items():
            assert right.get(job, float(deadline)) == pytest.approx(float(deadline), abs=1e-9)


def test_fair_queue_by_hand() -> None:
    fluid = FairQueue(Fraction(2))
    assert fluid.submit(10, 0) == 10
    assert fluid.submit(4, 2) == 8  # V was 4
    assert fluid.submit(1, 5) == 8  # V was 7
    # Three at V = 7 until 8 (which takes 1.5), then one until 10 at pace 2.
    fluid.advance(7)
    assert fluid.virtual == 9
    fluid.resize(Fraction(4), 7)
    fluid.advance(Fraction(29, 4))
    assert fluid.virtual == 10
    assert fluid.submit(3, 100) == 13


@given(arrivals=ARRIVALS, cores=st.integers(1, 4))
def test_fair_queue_is_the_fluid_system_of_users_with_one_job(
    arrivals: list[Arrival], cores: int
) -> None:
    each = [a._replace(user=str(i)) for i, a in enumerate(arrivals)]
    ends = finishes(each, cores)
    fluid = FairQueue(Fraction(cores))
    deadlines = [fluid.submit(work, time) for time, _, work in each]
    events = sorted(
        [(Fraction(a.time), 1, i) for i, a in enumerate(each)]
        + [(e, 0, i) for i, e in enumerate(ends)]
    )
    fluid = FairQueue(Fraction(cores))
    for time, arrives, i in events:
        if arrives:
            fluid.submit(each[i].work, time)
        else:
            fluid.advance(time)
            assert fluid.virtual == deadlines[i]
