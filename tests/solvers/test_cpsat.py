"""The CP-SAT front: outcomes, limits, progress, interruption and explanations."""

import itertools
import os
import signal
import sys
import threading

import msgspec
import pytest

from hocket.core.errors import HocketError, MissingExtra
from hocket.solvers import cpsat
from hocket.solvers.cpsat import Rules, clash, minimize

cp_model = pytest.importorskip("ortools.sat.python.cp_model")


def knapsack():
    """Pay least for at least 11 units from packs of (units, price): by hand, packs 0 and 2."""
    model = cp_model.CpModel()
    packs = [(5, 9), (4, 8), (6, 10), (3, 7)]
    take = [model.new_bool_var(f"take{i}") for i in range(len(packs))]
    model.add(sum(units * x for (units, _), x in zip(packs, take, strict=True)) >= 11)
    model.minimize(sum(price * x for (_, price), x in zip(packs, take, strict=True)))
    return model, take


def hard(n=40):
    """A job shop too large to be proved in a few seconds."""
    model = cp_model.CpModel()
    machines = [[] for _ in range(n)]
    makespan = model.new_int_var(0, 100000, "makespan")
    for j in range(n):
        end = 0
        for k in range(n):
            duration = 1 + (j * 7919 + k * 104729 + j * k * 31) % 97
            start = model.new_int_var(0, 100000, "")
            model.add(start >= end)
            end = start + duration
            machine = (k * (2 * (j % (n // 2)) + 1) + 13 * j) % n
            machines[machine].append(model.new_fixed_size_interval_var(start, duration, ""))
        model.add(makespan >= end)
    for intervals in machines:
        model.add_no_overlap(intervals)
    model.minimize(makespan)
    return model, makespan


def test_optimum_values_and_negated_literals():
    model, take = knapsack()
    outcome = minimize(model, time_limit=10)
    assert (outcome.status, outcome.value, outcome.bound, outcome.reason) == ("optimal", 19, 19, "")
    assert [outcome[x] for x in take] == [1, 0, 1, 0]
    assert outcome[take[0].negated()] == 0 and outcome[take[1].negated()] == 1


def test_log_and_progress_agree_and_only_improve():
    model, _ = hard(8)
    seen = []
    outcome = minimize(model, time_limit=3, progress=lambda *step: seen.append(step))
    assert [(s.seconds, s.value, s.bound) for s in outcome.log] == seen
    values = [v for _, v, _ in seen if v is not None]
    bounds = [b for _, _, b in seen if b is not None]
    assert values == sorted(values, reverse=True) and bounds == sorted(bounds)
    assert values[-1] == outcome.value and bounds[-1] <= outcome.bound <= outcome.value


def test_no_time_means_unknown_and_no_values():
    model, take = knapsack()
    outcome = minimize(model, time_limit=0)
    assert (outcome.status, outcome.value, outcome.bound) == ("unknown", None, None)
    with pytest.raises(LookupError, match="unknown"):
        outcome[take[0]]


def test_without_objective():
    model = cp_model.CpModel()
    x = model.new_int_var(0, 9, "x")
    model.add(x * 3 == 21)
    outcome = minimize(model, time_limit=None)
    assert outcome.status == "optimal" and outcome[x] == 7


def test_infeasible_is_proved():
    model = cp_model.CpModel()
    x = model.new_int_var(0, 9, "x")
    model.add(x > 9)
    model.minimize(x)
    outcome = minimize(model, time_limit=10)
    assert outcome.status == "infeasible" and outcome.value is None and "proved" in outcome.reason


def test_invalid_model_is_an_error():
    model = cp_model.CpModel()
    x = model.new_int_var(0, 2**61, "x")
    y = model.new_int_var(0, 2**61, "y")
    model.add(5 * x + 5 * y <= 3)
    with pytest.raises(HocketError, match="rejects the model"):
        minimize(model, time_limit=10)


def test_stop_keeps_the_incumbent():
    model, makespan = hard()
    seen = []
    outcome = minimize(
        model,
        time_limit=60,
        progress=lambda s, v, b: seen.append(v),
        stop=lambda: any(v is not None for v in seen),
    )
    assert outcome.interrupted and outcome.status == "feasible"
    assert outcome[makespan] == outcome.value and outcome.bound <= outcome.value


def test_stop_before_anything_is_found():
    model, _ = hard()
    outcome = minimize(model, time_limit=60, stop=lambda: True)
    assert outcome.interrupted and outcome.reason == "interrupted"


@pytest.mark.skipif(sys.platform == "win32", reason="sends itself SIGINT")
def test_ctrl_c_keeps_the_incumbent_and_pythons_handler():
    model, makespan = hard()
    # Whoever called OR-Tools before us may have left the system's own handler in place.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sent = threading.Event()

    def progress(seconds, value, bound):
        if value is not None and not sent.is_set():
            sent.set()
            os.kill(os.getpid(), signal.SIGINT)

    outcome = minimize(model, time_limit=60, progress=progress)
    assert sent.is_set() and outcome.interrupted and outcome[makespan] == outcome.value
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


def test_error_of_progress_ends_the_search():
    model, _ = hard()

    def progress(seconds, value, bound):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        minimize(model, time_limit=60, progress=progress)
    assert not any(t.name == "cp-sat" for t in threading.enumerate())


@pytest.mark.parametrize("workers", [1, 2])
def test_deterministic_limit_gives_equal_outcomes(workers):
    outcomes = []
    for _ in range(2):
        model, _ = hard(10)
        outcomes.append(
            minimize(model, time_limit=None, workers=workers, seed=3, deterministic_limit=0.3)
        )
    first, second = outcomes
    assert first.values and first.values == second.values
    assert (first.value, first.bound, first.status) == (second.value, second.bound, second.status)


def test_hint_is_where_the_search_starts():
    best = minimize(hard(10)[0], time_limit=20, deterministic_limit=2.0)
    model, makespan = hard(10)
    variables = [model.get_int_var_from_proto_index(i) for i in range(len(best.values))]
    hint = list(zip(variables, best.values, strict=True))
    outcome = minimize(model, time_limit=20, deterministic_limit=0.05, hint=hint)
    first = next(step.value for step in outcome.log if step.value is not None)
    assert first <= best.value
    assert outcome[makespan] <= best.value


@pytest.mark.parametrize("workers", [1, 2])
def test_bounding_proves_the_same_and_goes_on_from_a_solution(workers):
    model, take = knapsack()
    first = minimize(model, time_limit=10)
    again = minimize(model, time_limit=10, workers=workers, bounding=True, hint=first.hint(model))
    assert (again.status, again.value, again.bound) == ("optimal", 19, 19)
    assert {step.value for step in again.log} <= {None, 19}
    assert [again[x] for x in take] == [1, 0, 1, 0]


def test_missing_extra(monkeypatch):
    model, _ = knapsack()
    monkeypatch.setitem(sys.modules, "ortools.sat.python.cp_model", None)
    monkeypatch.setitem(sys.modules, "ortools", None)
    with pytest.raises(MissingExtra, match=r"pip install 'hocket\[solve\]'"):
        minimize(model, time_limit=0)


def windows(named):
    """Three tasks of length 4 on one machine; a and b clash, c fits anywhere."""
    model = cp_model.CpModel()
    rules = Rules(model, named=named)
    intervals = []
    for name, low, high in (("a", 0, 6), ("b", 1, 6), ("c", 0, 50)):
        start = model.new_int_var(0, 100, name)
        model.add(start >= low).only_enforce_if(rules.on(f"release of {name}"))
        model.add(start + 4 <= high).only_enforce_if(rules.on(f"deadline of {name}"))
        intervals.append(model.new_fixed_size_interval_var(start, 4, name))
    model.add_no_overlap(intervals)
    return model, rules


def test_clash_names_a_minimal_contradiction():
    assert minimize(windows(named=False)[0], time_limit=10).status == "infeasible"
    model, rules = windows(named=True)
    found = clash(model, rules)
    assert found == ("deadline of a", "deadline of b")
    assert set(found) < set(rules.literals)


def test_one_interrupt_ends_the_whole_filter(monkeypatch):
    searches = []

    def interrupted_at_the_second(search):
        searches.append(search)
        outcome = run(search)
        return msgspec.structs.replace(outcome, interrupted=len(searches) == 2)

    run = cpsat._Search.run
    monkeypatch.setattr(cpsat._Search, "run", interrupted_at_the_second)
    model, rules = windows(named=True)
    assert {"deadline of a", "deadline of b"} <= set(clash(model, rules))
    assert len(searches) == 2


def test_clash_minimal_against_brute_force():
    """Cores of random linear systems over three small variables, checked by enumeration."""
    checked = 0
    for seed in range(40):
        model = cp_model.CpModel()
        rules = Rules(model, named=True)
        x = [model.new_int_var(0, 3, f"x{i}") for i in range(3)]
        rows = []
        for r in range(7):
            mix = [(seed * 31 + r * 17 + i * i * 7 + r * i * seed) % 5 - 2 for i in range(3)]
            limit = (seed * 13 + r * 29) % 7 - 4
            rows.append((mix, limit))
            model.add(sum(c * v for c, v in zip(mix, x, strict=True)) <= limit).only_enforce_if(
                rules.on(f"row {r}")
            )

        def possible(names, rows=rows):
            return any(
                all(
                    sum(c * v for c, v in zip(rows[int(n[4:])][0], p, strict=True))
                    <= rows[int(n[4:])][1]
                    for n in names
                )
                for p in itertools.product(range(4), repeat=3)
            )

        core = clash(model, rules)
        if core is None:
            assert possible(rules.literals)
            continue
        checked += 1
        assert not possible(core)
        assert all(possible([n for n in core if n != dropped]) for dropped in core)
    assert checked >= 10


def test_clash_of_what_is_always_there_is_empty_and_of_feasible_is_none():
    model = cp_model.CpModel()
    rules = Rules(model, named=True)
    x = model.new_int_var(0, 9, "x")
    model.add(x >= 3).only_enforce_if(rules.on("at least 3"))
    assert clash(model, rules) is None
    model.add(x == 20)
    assert clash(model, rules) == ()
