import _thread
import itertools
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings

from hocket.core.errors import InputError, MissingExtra
from hocket.shop.search import Shop, lower_bound, portfolio, solve_makespan
from hocket.shop.search.cpsat import Model, prove
from hocket.shop.search.dispatch import best_rule
from hocket.shop.search.incumbent import Incumbent
from hocket.shop.search.instance import makespan, order_of, semi_active
from tests.shop.published import FT06, FT10, LA01, LA02

from .shops import check, optimum, parse, random_shop, shops


@pytest.mark.parametrize(
    ("text", "best", "workers"), [(FT06, 55, 2), (LA01, 666, 1), (LA02, 655, 2), (FT10, 930, 2)]
)
def test_published_optima_are_found_and_proven(text, best, workers):
    shop = parse(text)
    result = solve_makespan(shop, time_limit=300, workers=workers)
    assert (result.makespan, result.bound, result.status) == (best, best, "optimal")
    assert check(shop, result.start) == best
    assert result.gap == 0
    assert "optimal" in str(result)


def test_one_worker_proves_ft06():
    result = solve_makespan(parse(FT06), time_limit=30, workers=1)
    assert (result.makespan, result.status) == (55, "optimal")


def test_no_time_gives_the_best_rule_and_the_simple_bound_at_once():
    shop = parse(FT10)
    result = solve_makespan(shop, time_limit=0)
    assert result.makespan == check(shop, result.start) == best_rule(shop)[1]
    assert (result.bound, result.status) == (lower_bound(shop), "feasible")


@settings(deadline=None, max_examples=25)
@given(shops(jobs=3, steps=3, machines=3))
def test_tiny_shops_are_solved_to_the_brute_force_optimum(shop):
    result = solve_makespan(shop, time_limit=20)
    assert result.makespan == check(shop, result.start) == optimum(shop) == result.bound
    assert result.status == "optimal"


@settings(deadline=None, max_examples=25)
@given(shops(jobs=8, steps=8, machines=5))
def test_every_result_is_feasible_and_not_below_its_bound(shop):
    result = solve_makespan(shop, iterations=200, time_limit=20)
    assert check(shop, result.start) == result.makespan
    assert lower_bound(shop) <= result.bound <= result.makespan
    assert (result.status == "optimal") == (result.bound == result.makespan)


def test_edge_cases():
    assert solve_makespan(Shop.of([]), time_limit=1).makespan == 0
    assert solve_makespan(Shop.of([[], []], release=[3, 9]), time_limit=1).makespan == 9
    one_job = Shop.of([[(0, 3), (1, 0), (0, 4)]])
    assert solve_makespan(one_job, time_limit=1).makespan == 7
    one_machine = Shop.of([[(0, 3)], [(0, 0)], [(0, 4)]])
    assert solve_makespan(one_machine, time_limit=1).makespan == 7
    nothing_takes_time = Shop.of([[(0, 0), (1, 0)], [(1, 0), (0, 0)]])
    assert solve_makespan(nothing_takes_time, time_limit=1).makespan == 0


def test_the_same_seed_and_iterations_give_the_same_result():
    shop = random_shop(9, 12, 10)
    first, again, other = (
        solve_makespan(shop, iterations=60_000, seed=seed, time_limit=300) for seed in (4, 4, 5)
    )
    assert first.start.tolist() == again.start.tolist()
    assert [e.makespan for e in first.log] == [e.makespan for e in again.log]
    assert first.start.tolist() != other.start.tolist()


def test_progress_is_reported_in_this_thread_and_only_improves():
    seen, threads = [], set()

    def progress(seconds, value, bound):
        seen.append((seconds, value, bound))
        threads.add(threading.get_ident())

    result = solve_makespan(parse(FT10), time_limit=300, progress=progress)
    assert threads == {threading.get_ident()}
    assert seen[0][1] == best_rule(parse(FT10))[1]
    assert seen[-1][1:] == (result.makespan, result.bound) == (930, 930)
    assert all(a[1] >= b[1] and a[2] <= b[2] for a, b in itertools.pairwise(seen))


def test_stop_ends_the_search_with_the_incumbent():
    shop = random_shop(1, 30, 20)
    rule, seen = best_rule(shop)[1], []
    result = solve_makespan(
        shop,
        time_limit=600,
        progress=lambda seconds, value, bound: seen.append(value),
        stop=lambda: seen[-1] < rule,
    )
    assert check_fast(shop, result)
    assert result.makespan < best_rule(shop)[1]


def test_ctrl_c_returns_the_incumbent():
    shop, timers = random_shop(1, 30, 20), []

    def progress(seconds, value, bound):
        if value < best_rule(shop)[1] and not timers:
            timers.append(threading.Timer(0.1, _thread.interrupt_main))
            timers[0].start()

    result = solve_makespan(shop, time_limit=600, progress=progress)
    timers[0].join()
    assert check_fast(shop, result)
    assert result.makespan < best_rule(shop)[1]
    assert result.seconds < 500


def check_fast(shop, result):
    return makespan(shop, semi_active(shop, order_of(shop, result.start))) == result.makespan


def test_a_warm_start_is_kept_unless_something_is_better():
    shop = parse(FT06)
    best = solve_makespan(shop, time_limit=30).start
    result = solve_makespan(shop, time_limit=0, warm_start=best)
    assert result.makespan == 55
    assert result.log[0].source == "warm start"
    poor = np.cumsum(shop.duration) - shop.duration  # one operation after the other
    assert solve_makespan(shop, time_limit=0, warm_start=poor).makespan <= best_rule(shop)[1]
    with pytest.raises(InputError, match="warm_start"):
        solve_makespan(shop, warm_start=np.zeros(36, np.int64))


def test_without_numba_the_error_names_the_extra(monkeypatch):
    def absent(module, extra):
        raise MissingExtra(extra, module)

    monkeypatch.setattr(portfolio, "need", absent)
    with pytest.raises(MissingExtra, match=r"numba.*hocket\[solve\]"):
        solve_makespan(parse(FT10), time_limit=1)


def test_a_failing_worker_is_an_error_here_not_a_silent_loss(monkeypatch):
    def broken(*_):
        raise RuntimeError("worker broke")

    monkeypatch.setattr(portfolio._Crew, "_relink", broken)
    with pytest.raises(RuntimeError, match="worker broke"):
        solve_makespan(parse(FT10), time_limit=60)


def first_incumbent(shop):
    start, value, _ = best_rule(shop)
    return Incumbent(order_of(shop, start), value, lower_bound(shop), "rule")


def test_cp_sat_alone_proves_the_optimum():
    shop = parse(FT06)
    incumbent = first_incumbent(shop)
    prove(shop, incumbent, workers=1, seed=0, seconds=60)
    assert incumbent.proven
    assert incumbent.makespan == check(shop, semi_active(shop, incumbent.order)) == 55


def test_nothing_is_left_to_prove_once_the_bound_is_met():
    shop = parse(FT06)
    incumbent = first_incumbent(shop)
    incumbent.raise_bound(incumbent.makespan, "another worker")
    prove(shop, incumbent, workers=1, seed=0, seconds=60)
    assert [entry.source for entry in incumbent.log] == ["rule", "another worker"]


def test_the_cp_model_agrees_with_brute_force():
    for seed in range(4):
        shop = random_shop(seed, 3, 3, recirculate=True)
        model = Model(shop, lower_bound(shop), int(shop.duration.sum()))
        solver = model.solver(30, 1, 0)
        assert solver.solve(model.model) == model.cp.OPTIMAL
        start = np.array([solver.value(v) for v in model.start])
        assert check(shop, start) <= round(solver.objective_value) == optimum(shop)


def test_importing_the_package_loads_no_heavy_library():
    code = (
        "import sys, hocket.shop.search as s; "
        "s.solve_makespan(s.Shop.of([[(0, 3), (1, 2)], [(1, 4), (0, 1)]]), time_limit=0); "
        "sys.exit(bool({'numba', 'ortools'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
