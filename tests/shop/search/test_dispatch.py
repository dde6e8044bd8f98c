import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.core.errors import UnknownName
from hocket.shop.search import dispatch, makespan
from hocket.shop.search.dispatch import RULES, best_rule, reference_rollouts
from hocket.shop.search.rollout import rollouts
from tests.shop.published import FT06, FT10

from .shops import check, parse, random_shop, shops


def taillard(time_seed, machine_seed, jobs, machines):
    """Taillard's 1993 generator; his ta01 has the seeds 840612802 and 398197754."""
    state = [time_seed, machine_seed]

    def uniform(which, low, high):
        state[which] = 16807 * state[which] % (2**31 - 1)
        return low + int(state[which] / (2**31 - 1) * (high - low + 1))

    durations = [[uniform(0, 1, 99) for _ in range(machines)] for _ in range(jobs)]
    lines = []
    for j in range(jobs):
        route = list(range(machines))
        for i in range(machines):
            k = uniform(1, i, machines - 1)
            route[i], route[k] = route[k], route[i]
        lines.append(list(zip(route, durations[j], strict=True)))
    from hocket.shop.search import Shop

    return Shop.of(lines)


def test_rules_reproduce_the_published_makespans_of_ta01():
    # SPT 1462, MWR 1491, MOR 1438: event-driven dispatching, ties by the lowest job number.
    shop = taillard(840612802, 398197754, 15, 15)
    values = {rule: makespan(shop, dispatch(shop, rule)) for rule in ("spt", "mwkr", "mopnr")}
    assert values == {"spt": 1462, "mwkr": 1491, "mopnr": 1438}
    start, value, rule = best_rule(shop)
    assert (value, rule) == (1438, "mopnr")
    assert check(shop, start) == 1438


@given(shops(), st.sampled_from(sorted(RULES)))
def test_every_rule_is_feasible_and_never_idles_on_purpose(shop, rule):
    start = dispatch(shop, rule)
    check(shop, start)
    end = start + shop.duration
    for x in range(shop.operations):
        first = x == shop.job_start[shop.job[x]]
        ready = shop.releases[shop.job[x]] if first else end[x - 1]
        if start[x] > ready:  # then its machine was busy all the while
            busy = np.flatnonzero((shop.machine == shop.machine[x]) & (start < start[x]))
            covered = set()
            for y in busy:
                covered.update(range(start[y], end[y]))
            assert covered >= set(range(ready, start[x]))


@settings(deadline=None)
@given(shops(), st.sampled_from(sorted(RULES)), st.sampled_from([0.0, 0.3, 2.0]))
def test_compiled_rollouts_equal_the_reference(shop, rule, noise):
    makespans, best = rollouts(shop, 5, 11, rule, noise)
    expected, start = reference_rollouts(shop, 5, 11, rule, noise)
    assert makespans.tolist() == expected.tolist()
    assert best.tolist() == start.tolist()


def test_rollouts_on_ft10_equal_the_reference_and_repeat():
    shop = parse(FT10)
    makespans, best = rollouts(shop, 200, 5)
    expected, start = reference_rollouts(shop, 200, 5, "random", 1.0)
    assert makespans.tolist() == expected.tolist()
    assert best.tolist() == start.tolist()
    assert check(shop, best) == makespans.min() >= 930
    assert rollouts(shop, 200, 5)[0].tolist() == makespans.tolist()
    assert rollouts(shop, 200, 6)[0].tolist() != makespans.tolist()


def test_random_rollouts_choose_evenly():
    from hocket.shop.search import Shop

    # Three jobs wait for one machine; the longest tail last is worst: makespan tells who was last.
    shop = Shop.of([[(0, 1), (1, 10)], [(0, 1), (2, 20)], [(0, 1), (3, 30)]])
    makespans, _ = rollouts(shop, 6000, 1)
    # The 30-long job ends at 30 + its place; places are equally likely.
    shares = np.bincount(makespans, minlength=34)[31:34] / 6000
    assert shares == pytest.approx([1 / 3] * 3, abs=0.03)


def test_a_set_stop_flag_ends_a_batch_after_one_rollout():
    makespans, best = rollouts(parse(FT06), 1000, 0, stop=np.ones(1, np.uint8))
    assert len(makespans) == 1
    assert check(parse(FT06), best) == makespans[0]


def test_noise_spreads_schedules_around_the_rule():
    shop = random_shop(2, 10, 8)
    plain, _ = rollouts(shop, 20, 0, "mwkr", 0.0)
    assert set(plain.tolist()) == {makespan(shop, dispatch(shop, "mwkr"))}
    noisy, _ = rollouts(shop, 200, 0, "mwkr", 0.3)
    assert noisy.min() < plain[0]
    assert noisy.mean() < rollouts(shop, 200, 0, "random")[0].mean()


def test_unknown_rules_and_empty_batches_are_refused():
    with pytest.raises(UnknownName, match="spt"):
        dispatch(parse(FT06), "sptt")
    with pytest.raises(ValueError, match="at least 1"):
        rollouts(parse(FT06), 0, 0)


def test_where_nothing_can_be_cached_kernels_compile_in_memory(monkeypatch):
    from hocket.shop.search import compiled

    original, asked = compiled.numba.njit, []

    def njit(**options):
        asked.append(options)
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return original(**options)

    monkeypatch.setattr(compiled.numba, "njit", njit)
    assert compiled.jit(lambda x: x + 1)(41) == 42
    assert asked == [{"cache": True, "nogil": True}, {"nogil": True}]
