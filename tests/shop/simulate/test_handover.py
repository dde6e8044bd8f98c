import itertools

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.core.load import load
from hocket.core.run import run
from hocket.shop.check.jobshop import check
from hocket.shop.generate import Taillard, bounds
from hocket.shop.policies.rules import FIFO, LPT, LWKR, MOPNR, MWKR, SPT, Random
from hocket.shop.simulate.handover import Escape, find_circle
from hocket.shop.simulate.jobshop import simulate
from tests.data import shared
from tests.shop.published import FT06, LA01
from tests.shop.simulate.cases import parse, shop, shops

# Rules in a simulator of the same definition, recorded when the facts of this domain were gathered.
SWAP = [
    (FT06, SPT(), 79),
    (FT06, MWKR(), 75),
    (LA01, SPT(), 1175),
    (LA01, MWKR(), 1142),
    (LA01, MOPNR(), 1130),
    (LA01, LWKR(), 1351),
]


@pytest.mark.parametrize(("text", "policy", "makespan"), SWAP)
def test_rules_with_swap_give_the_recorded_makespans(text, policy, makespan):
    world = parse(text, blocking="swap")
    timeline = simulate(world, policy)
    assert timeline.end == makespan
    assert check(world, timeline) == []


@pytest.mark.parametrize(
    ("policy", "gap"),
    [(SPT(), 54.9), (LPT(), 57.8), (MWKR(), 52.7), (LWKR(), 53.6), (MOPNR(), 57.0), (FIFO(), 54.6)],
)
def test_mean_gaps_of_blocking_rules_over_la01_to_la40(policy, gap):
    folder = shared("shop", "jsplib")
    gaps = []
    for i in range(1, 41):
        world = msgspec.structs.replace(load(folder / f"la{i:02}"), blocking="swap")
        best = bounds(f"la{i:02}", "blocking-swap").upper
        gaps.append(100 * (run(world, policy).metrics["makespan"] / best - 1))
    assert np.mean(gaps) == pytest.approx(gap, abs=0.3)


def test_two_jobs_exchange_their_machines_at_once():
    world = shop([[(0, 2), (1, 3)], [(1, 4), (0, 1)]], blocking="swap")
    timeline = simulate(world, FIFO())
    spans = {(s.kind, s.name): (s.start, s.end) for s in timeline.spans()}
    assert spans["blocked", "j0.0"] == (2, 4)
    assert spans["run", "j0.1"] == (4, 7)
    assert spans["run", "j1.1"] == (4, 5)
    assert {s.reason for s in timeline.spans("run") if s.start == 4} == {"handed over among 2"}


def test_without_swap_the_second_job_is_held_back():
    world = shop([[(0, 2), (1, 3)], [(1, 4), (0, 1)]], blocking="no-swap")
    timeline = simulate(world, FIFO())
    runs = {s.name: (s.start, s.end) for s in timeline.spans("run")}
    # j1 may take m1 only once j0 has left it: both inside at once could never get out again.
    assert runs == {"j0.0": (0, 2), "j0.1": (2, 5), "j1.0": (5, 9), "j1.1": (9, 10)}


def test_a_job_keeps_its_machine_until_the_next_one_is_free():
    world = shop([[(0, 1), (1, 1)], [(1, 5)], [(0, 2)]], blocking="no-swap")
    timeline = simulate(world, FIFO())
    assert [(s.name, s.start, s.end) for s in timeline.spans("blocked")] == [("j0.0", 1, 5)]
    assert next(s.start for s in timeline.spans("run") if s.name == "j2.0") == 5


def test_a_job_may_follow_itself_on_its_machine():
    for blocking in ("swap", "no-swap"):
        world = shop([[(0, 1), (0, 2), (1, 1)], [(0, 1)]], blocking=blocking)
        timeline = simulate(world, FIFO())
        assert [s.name for s in timeline.spans("run")] == ["j0.0", "j0.1", "j0.2", "j1.0"]
        assert check(world, timeline) == []


@settings(max_examples=200, deadline=None)
@given(
    shops(blocking=("no-swap",)),
    st.sampled_from([SPT(), MWKR(), FIFO(), Random()]),
    st.integers(0, 9),
)
def test_no_shop_without_swap_ever_gets_stuck(world, policy, seed):
    timeline = simulate(world, policy, seed=seed)  # would raise Deadlock
    assert check(world, timeline) == []


@pytest.mark.parametrize("limit", [0, 3])
def test_nor_does_it_where_the_search_is_cut_off_early(monkeypatch, limit):
    monkeypatch.setattr("hocket.shop.simulate.handover.LIMIT", limit)
    for seed in range(3):
        plain = Taillard(jobs=8, machines=6).make(seed)
        world = msgspec.structs.replace(plain, blocking="no-swap")
        for policy in (SPT(), Random()):
            assert check(world, simulate(world, policy, seed=seed)) == []


def test_the_search_refuses_fewer_moves_than_the_bankers_test(monkeypatch):
    world = parse(LA01, blocking="no-swap")
    searched = simulate(world, SPT()).end
    monkeypatch.setattr(Escape, "way_out", bankers_way_out)
    banker = simulate(world, SPT()).end
    assert (searched, banker) == (1161, 1741)


def bankers_way_out(self, holds):
    way, left = self._settle(holds)
    return None if left else way


def can_finish(holds, choices, first):
    """Whether all jobs can get out without a swap: every order of moves is tried."""
    if not holds:
        return True
    held = {machine for machine, _ in holds.values()}
    for job, (machine, operation) in holds.items():
        others = {j: state for j, state in holds.items() if j != job}
        if operation == first[job + 1]:
            return can_finish(others, choices, first)
        for m, _ in choices[operation]:
            if (m == machine or m not in held) and can_finish(
                {**others, job: (m, operation + 1)}, choices, first
            ):
                return True
    return False


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_way_out_is_found_exactly_where_there_is_one(data):
    machines = data.draw(st.integers(2, 4))
    able = st.lists(st.integers(0, machines - 1), min_size=1, max_size=2, unique=True)
    lines = data.draw(
        st.lists(st.lists(able, min_size=1, max_size=3), min_size=1, max_size=machines)
    )
    choices = [tuple((m, 1) for m in able) for line in lines for able in line]
    first = [0, *itertools.accumulate(len(line) for line in lines)]
    places = data.draw(st.permutations(range(machines)))
    holds = {
        job: (places[job], data.draw(st.integers(first[job], first[job + 1])))
        for job in range(len(lines))
    }
    escape = Escape(choices, first)
    way = escape.way_out(holds)
    assert (way is not None) == can_finish(holds, choices, first)
    if way is not None:
        walk(way, dict(holds), choices, first)


def walk(way, holds, choices, first):
    """Make the moves one after the other, by the definition."""
    for operation, machine in way:
        job = next(j for j in holds if first[j] <= operation < first[j + 1])
        assert holds[job][1] == operation
        assert machine in {m for m, _ in choices[operation]}
        done = [j for j, (_, following) in holds.items() if following == first[j + 1]]
        for j in done:
            del holds[j]
        assert all(m != machine for j, (m, _) in holds.items() if j != job)
        holds[job] = (machine, operation + 1)
    assert all(following == first[j + 1] for j, (_, following) in holds.items())


def test_circles_are_found_and_the_shortest_is_staying():
    assert find_circle({1: [2], 2: [3], 3: [1]}) == [1, 2, 3]
    assert find_circle({1: [2], 2: [3]}) == []
    assert find_circle({1: [2], 2: [1, 2]}) == [2]
    assert find_circle({}) == []
    assert find_circle({5: [7], 7: [9, 8], 8: [7]}) == [7, 8]
