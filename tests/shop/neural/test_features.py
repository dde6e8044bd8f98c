import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hocket.shop.neural.ahead import MACHINE_FEATURES
from hocket.shop.neural.arena import ActiveSchedules
from hocket.shop.neural.features import FEATURES, LIMIT
from hocket.shop.neural.instances import Work
from tests.shop.neural.works import classic, works


def told(lanes: list[Work], seed: int) -> list[list[np.ndarray]]:
    """What each lane is told on the way; each draws its answers from a generator of its own."""
    arena = ActiveSchedules(lanes)
    rngs = [np.random.default_rng([seed, lane]) for lane in range(len(lanes))]
    found: list[list[np.ndarray]] = [[] for _ in lanes]
    while (asked := arena.asked()) is not None:
        rows = []
        for i, lane in enumerate(asked.lanes.tolist()):
            one = asked.batch.take([i])
            found[lane] += [one.tables["rivals"], one.tables["machines"]]
            rows.append(int(rngs[lane].integers(len(one.mask))))
        arena.answer(np.array(rows))
    return found


def same(some: list[np.ndarray], others: list[np.ndarray]) -> None:
    assert len(some) == len(others)
    for one, other in zip(some, others, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=2e-3)


@given(st.lists(works(), min_size=1, max_size=3), st.integers(0, 99))
def test_features_are_finite_and_bounded_in_every_kind_of_shop(drawn, seed):
    for tables in told(drawn, seed):
        for table in tables:
            assert table.dtype == np.float32
            assert table.shape[1] in (FEATURES, MACHINE_FEATURES)
            assert np.isfinite(table).all()
            assert np.abs(table).max() <= LIMIT


@given(st.integers(0, 2**32), st.integers(2, 6), st.integers(2, 6), st.integers(2, 10**9))
def test_features_do_not_depend_on_the_unit_of_time(seed, jobs, machines, unit):
    work = classic(np.random.default_rng(seed), jobs, machines)
    finer = Work(
        [[(m, unit * d) for m, d in route] for route in work.routes], work.ready, work.free
    )
    same(told([work], seed)[0], told([finer], seed)[0])


@given(st.integers(0, 2**32), st.integers(2, 6), st.integers(2, 6), st.integers(1, 10**6))
def test_features_do_not_depend_on_when_it_all_begins(seed, jobs, machines, begin):
    work = classic(np.random.default_rng(seed), jobs, machines)
    later = Work(work.routes, [begin] * jobs, [begin] * machines)
    same(told([work], seed)[0], told([later], seed)[0])


@given(st.integers(0, 2**32))
def test_features_do_not_depend_on_the_shop_in_the_next_lane(seed):
    rng = np.random.default_rng(seed)
    small, large = classic(rng, 3, 4), classic(rng, 6, 5)
    together = told([small, large], seed)
    same(told([small], seed)[0], together[0])


@given(st.integers(0, 2**32), st.integers(2, 5), st.integers(2, 4))
def test_a_job_or_machine_without_work_changes_nothing(seed, jobs, machines):
    work = classic(np.random.default_rng(seed), jobs, machines)
    more = Work([*work.routes, []], [*work.ready, 7], [*work.free, 3])
    same(told([work], seed)[0], told([more], seed)[0])


def test_the_first_features_of_a_small_conflict_by_hand():
    # Two jobs want machine 0 at once: for 2 ticks, then 6 on machine 1; or for 4 ticks, and done.
    # The mean duration is 4. The longest job takes 8, machine 0 at least 2 + 4 = 6 or so.
    work = Work([[(0, 2), (1, 6)], [(0, 4)]], [0, 0], [0, 0])
    ((table, machines),) = told([work], 0)
    own = {
        "work": [0.5, 1],
        "start": [0, 0],
        "behind the first completion": [0, 0.5],
        "idle before": [0, 0],
        "rest / bound": [2 / 2, 1 / 2],
        "rest after / bound": [1.5 / 2, 0],
        "operations left / 10": [0.2, 0.1],
        "slack / bound": [0, 1 / 2],
        "slack": [0, 1],
    }
    np.testing.assert_allclose(table[:, : len(own)].T, list(own.values()), atol=1e-6)
    # Job 1 would end at 6 = 1.5 after job 0, below the bound by 0.5; job 0 at 12, above it by 1.
    np.testing.assert_allclose(table[:, 10], [-0.5, 1], atol=1e-6)
    # Machine 0 is due now and has 6 = 1.5 left, machine 1 has 6 of job 0, which comes after 2.
    jobs = machines.reshape(2, 2, MACHINE_FEATURES)
    np.testing.assert_allclose(jobs[:, :, 0], [[1, 1], [1, 0]])  # who visits which
    np.testing.assert_allclose(jobs[:, :, 1], [[0.5, 1.5], [1, 0]], atol=1e-6)
    np.testing.assert_allclose(jobs[:, :, 2], [[0, 0.5], [0, 0]], atol=1e-6)
    np.testing.assert_allclose(jobs[:, :, 11], [[1, 0], [1, 0]])
