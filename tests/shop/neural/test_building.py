import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.core.errors import UserError
from hocket.shop.neural.arena import ActiveSchedules
from hocket.shop.neural.building import Building, jackson
from hocket.shop.neural.instances import Work, instances
from tests.shop.neural.works import classic, giffler_thompson, works


@given(st.lists(works(), min_size=1, max_size=3), st.integers(0, 2**32))
def test_lanes_build_what_giffler_and_thompson_build_one_at_a_time(drawn, seed):
    lanes = [*drawn, drawn[0]]  # the last is built differently for the same work
    told: list[list[tuple[list[int], int]]] = [[] for _ in lanes]
    arena, rng = ActiveSchedules(lanes), np.random.default_rng(seed)
    while (asked := arena.asked()) is not None:
        rivals = np.split(arena._rivals, asked.batch.bounds[1:-1])
        rows = np.array([rng.integers(len(jobs)) for jobs in rivals])
        for lane, jobs, row in zip(asked.lanes.tolist(), rivals, rows, strict=True):
            told[lane].append((jobs.tolist(), int(jobs[row])))
        arena.answer(rows)

    for lane, work in enumerate(lanes):
        answers = iter(told[lane])

        def choose(rivals, answers=answers):
            offered, chosen = next(answers)
            assert offered == rivals
            return chosen

        planned = giffler_thompson(work, choose)
        assert next(answers, None) is None
        assert arena.sequence(lane).tolist() == [job for job, *_ in planned]
        assert arena.costs()[lane] == max((end for *_, end in planned), default=0)


@given(st.lists(works(), min_size=1, max_size=3), st.integers(0, 2**32), st.integers(0, 12))
def test_what_is_kept_up_to_date_is_what_a_fresh_count_gives(drawn, seed, steps):
    c = instances(drawn)
    building, rng = Building(c, np.arange(len(drawn))), np.random.default_rng(seed)
    for _ in range(steps):
        if not building.left.any():
            return
        conflicts = building.conflicts()
        jobs = [int(rng.choice(np.flatnonzero(rivals))) for rivals in conflicts.rivals]
        building.append(conflicts.lanes, np.array(jobs))

    on = np.zeros(building.on.shape)
    for lane, work in enumerate(drawn):
        for job, route in enumerate(work.routes):
            done = building.place[lane, job] - (lane * c.n + job) * c.width
            for machine, duration in route[done:]:
                on[lane, machine, job] += duration / c.mean[lane]
    np.testing.assert_allclose(building.on, on, atol=1e-4)
    np.testing.assert_allclose(building.load, on.sum(2), atol=1e-4)
    ordered = np.take_along_axis(on, np.argsort(c.rank, axis=2), 2)
    np.testing.assert_allclose(building.sorted, ordered, atol=1e-4)
    total = building.load.sum(1) + building.done
    np.testing.assert_allclose(total, c.count * (c.work.reshape(len(drawn), -1).any(1)), atol=1e-3)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 20)), min_size=1, max_size=5))
def test_jacksons_order_has_the_least_delivery_time(jobs):
    import itertools

    def delivery(order):
        ends = itertools.accumulate(work for work, _ in order)
        return max(end + tail for end, (_, tail) in zip(ends, order, strict=True))

    jobs.sort(key=lambda job: -job[1])
    work, tail = np.array(jobs, np.float32).T
    assert jackson(work, tail) == min(map(delivery, itertools.permutations(jobs)))


def test_an_answer_that_is_none_of_the_rows_is_refused():
    arena = ActiveSchedules([classic(np.random.default_rng(0), 4, 2)])
    asked = arena.asked()
    for rows in ([-1], [asked.batch.bounds[-1]], [0, 0]):
        with pytest.raises(UserError, match="one of its rows"):
            arena.answer(np.array(rows))
    while arena.asked() is not None:
        arena.answer(np.array([0]))
    with pytest.raises(UserError, match="complete"):
        arena.answer(np.array([0]))


def test_where_nothing_takes_time_nothing_is_asked():
    arena = ActiveSchedules(
        [Work([[(0, 0), (1, 0)], [(0, 0)]], [0, 3], [0, 1]), Work([[]], [0], [0])]
    )
    assert arena.asked() is None
    assert arena.costs().tolist() == [3, 0]
