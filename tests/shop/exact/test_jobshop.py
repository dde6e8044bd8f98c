"""Published optima, warm starts, limits, reasons and errors of the job shop solver."""

from __future__ import annotations

import msgspec
import pytest

from hocket.core.disturb.arrivals import Poisson
from hocket.core.disturb.breakdowns import Breakdowns
from hocket.core.disturb.calendars import Calendar
from hocket.core.disturb.noise import GammaNoise
from hocket.core.errors import InputError, UnknownName
from hocket.core.timeline import Timeline
from hocket.shop.check.jobshop import check
from hocket.shop.exact import constraint
from hocket.shop.exact.jobshop import solve
from hocket.shop.exact.warm import RULES, best_rule
from hocket.shop.formats.jsplib import read
from hocket.shop.metrics.jobshop import metrics
from hocket.shop.model import Alternative, Job, JobShop, Machine, Operation, Setup
from hocket.shop.policies.rules import MWKR
from hocket.shop.simulate.jobshop import simulate
from tests.data import shared
from tests.shop.exact.draw import draw_larger


def published(name: str, **options: object) -> JobShop:
    shop = read(shared("shop", "jsplib", name).read_text(), name)
    return msgspec.structs.replace(shop, **options)


def shop_of(*jobs: tuple[tuple[str, int], ...], **options: object) -> JobShop:
    """Jobs as tuples of (machine, duration)."""
    names = sorted({machine for job in jobs for machine, _ in job})
    options.setdefault("machines", tuple(Machine(name=name) for name in names))
    return JobShop(
        jobs=tuple(
            Job(name=f"J{j}", operations=tuple(Operation(machine=m, duration=d) for m, d in job))
            for j, job in enumerate(jobs)
        ),
        **options,
    )


# Fisher and Thompson's ft06, Lawrence's la01. With swap: results of ScheduleOpt/optalcp-benchmarks.
@pytest.mark.parametrize(
    ("name", "options", "optimum"),
    [
        ("ft06", {}, 55),
        ("ft06", {"blocking": "swap"}, 63),
        ("ft06", {"blocking": "no-swap"}, 69),
        ("la01", {}, 666),
        ("la01", {"blocking": "swap"}, 793),
        ("la01", {"blocking": "no-swap"}, 881),
        ("la01", {"no_wait": True}, 971),
    ],
)
def test_published_optima(name, options, optimum):
    solution = solve(published(name, **options), time_limit=120, workers=1 if options else 2)
    assert (solution.status, solution.value, solution.bound) == ("optimal", optimum, optimum)
    assert solution.feasible and solution.gap == 0.0


def test_the_portfolio_and_the_constraint_model_agree(monkeypatch):
    shop = published("ft06")
    by_portfolio = solve(shop)
    monkeypatch.setattr(JobShop, "classic", False)
    by_model = solve(shop, workers=1)
    assert by_portfolio.solver == "portfolio" and "cp-sat" in by_model.solver
    assert by_portfolio.value == by_model.value == 55


def test_timeline_shows_setups_blocking_and_pauses():
    shift = Calendar(period=10, open=((0, 6),))
    shop = JobShop(
        machines=(Machine(name="a", calendar=shift, family="red"), Machine(name="b")),
        jobs=(
            Job(
                name="x",
                operations=(
                    Operation(machine="a", duration=5, family="blue", name="cut"),
                    Operation(machine="b", duration=2, family="blue"),
                ),
            ),
            Job(name="y", operations=(Operation(machine="b", duration=14, family="blue"),)),
        ),
        setups=(Setup(before="red", after="blue", duration=2, machine="a"),),
        blocking="swap",
        objective="makespan",
    )
    # y first on b: x waits on a until 14. x first: 11 + 2 + 14. Its cut runs 2-6 and 10-11.
    solution = solve(shop, workers=1)
    assert (solution.status, solution.value, solution.violations) == ("optimal", 16, ())
    cut = [(s.kind, s.start, s.end) for s in solution.timeline.spans() if s.name == "cut"]
    assert cut == [("setup", 0, 2), ("run", 2, 6), ("run", 10, 11), ("blocked", 11, 14)]
    assert [(s.lane, s.start) for s in solution.timeline.spans("run") if s.name == "x.1"] == [
        ("b", 14)
    ]


def test_triangle_inequality_may_fail():
    """From a to c takes 9, but over the short b it takes 1 + 1 + 1."""
    ticks = {("a", "b"): 1, ("b", "c"): 1, ("a", "c"): 9, ("c", "a"): 9, ("b", "a"): 9}
    shop = JobShop(
        machines=(Machine(name="m", family="a"),),
        jobs=tuple(
            Job(name=f, operations=(Operation(machine="m", duration=1, family=f),)) for f in "abc"
        ),
        setups=tuple(Setup(before=x, after=y, duration=d) for (x, y), d in ticks.items()),
        objective="total_flow_time",
    )
    # a 1, b 3, c 5, by hand; c first would cost 9.
    solution = solve(shop, workers=1)
    assert (solution.status, solution.value) == ("optimal", 9)
    runs = sorted(solution.timeline.spans("run"), key=lambda s: s.start)
    assert [s.group for s in runs] == ["a", "b", "c"]


def test_setup_may_precede_the_job():
    """b is set up while the job still is on a."""
    shop = JobShop(
        machines=(Machine(name="a"), Machine(name="b", family="red")),
        jobs=(
            Job(
                name="x",
                operations=(
                    Operation(machine="a", duration=4),
                    Operation(machine="b", duration=3, family="blue"),
                ),
            ),
        ),
        setups=(Setup(before="red", after="blue", duration=4),),
    )
    assert solve(shop).value == 7


def test_objective_is_exchangeable_and_checked():
    shop = draw_larger(0)
    assert solve(shop, "late_jobs", workers=1).objective == "late_jobs"
    with pytest.raises(UnknownName, match="did you mean 'total_tardiness'"):
        solve(shop, "tardiness")
    undated = msgspec.structs.replace(
        shop, jobs=tuple(msgspec.structs.replace(job, due=None) for job in shop.jobs)
    )
    with pytest.raises(InputError, match="needs due dates"):
        solve(undated, "total_tardiness")


def test_max_lateness_may_be_negative():
    shop = shop_of((("a", 3),), (("a", 4),))
    jobs = tuple(msgspec.structs.replace(job, due=20) for job in shop.jobs)
    solution = solve(msgspec.structs.replace(shop, jobs=jobs), "max_lateness")
    assert (solution.value, solution.bound) == (-13, -13)


def test_random_disturbances_are_left_out_and_named():
    shop = shop_of((("a", 3), ("b", 2)), (("a", 4),))
    assert solve(shop).reason == ""
    fragile = Machine(name="a", breakdowns=Breakdowns(mean_up=5, mean_down=2))
    for change in (
        {"machines": (fragile, shop.machines[1])},
        {"noise": GammaNoise(cv=0.3)},
        {"arrivals": Poisson(rate=0.1)},
    ):
        solution = solve(msgspec.structs.replace(shop, **change))
        assert (solution.status, solution.value, solution.violations) == ("optimal", 7, ())
        assert "without the random disturbances" in solution.reason


def test_no_time_gives_the_best_rule_and_a_bound():
    shop = published("la01", blocking="swap")
    solution = solve(shop, time_limit=0)
    assert solution.status == "feasible" and solution.feasible
    assert solution.solver.startswith("shop/")
    assert 413 <= solution.bound <= 793 <= solution.value
    assert solution.log[0].value == solution.value


def test_rules_end_when_patience_does_but_not_without_a_schedule():
    shop = published("la01", blocking="swap")
    first, name = best_rule(shop, patience=0)
    assert name == RULES[0].name
    assert first.digest() == simulate(shop, RULES[0]).digest()
    best = best_rule(shop)[0]
    assert metrics(shop, best)["makespan"] < metrics(shop, first)["makespan"]


def test_warm_start_is_kept():
    shop = published("la01", objective="total_flow_time")
    start = solve(shop, time_limit=3, workers=1)
    again = solve(shop, time_limit=0, warm_start=start.timeline)
    assert again.value == start.value and again.solver == "warm start"
    further = solve(shop, time_limit=1, warm_start=start.timeline, workers=1)
    assert further.value <= start.value


@pytest.mark.parametrize("workers", [1, 2])
def test_sums_get_a_bound_worth_its_name(workers):
    """Jobs alone would need 2849 in all; a few seconds prove more (the best known is 4832)."""
    solution = solve(published("la01", objective="total_flow_time"), time_limit=8, workers=workers)
    assert solution.feasible and 3000 < solution.bound <= 4832 <= solution.value


def test_warm_start_of_the_textbook_shop():
    shop = published("la01")
    start = simulate(shop, MWKR())
    assert solve(shop, time_limit=10, warm_start=start, workers=1).value == 666


@pytest.mark.parametrize("blocking", ["no", "swap", "no-swap"])
def test_warm_start_is_where_the_search_begins(blocking):
    shop = published("ft06", blocking=blocking, objective="total_flow_time")
    best = solve(shop, workers=1)
    seen = []
    again = solve(
        shop, workers=1, warm_start=best.timeline, progress=lambda s, v, b: seen.append(v)
    )
    assert best.status == again.status == "optimal"
    assert seen[0] == again.value == best.value


def test_infeasible_warm_start_is_refused():
    shop = shop_of((("a", 3),), (("a", 4),))
    timeline = Timeline()
    timeline.span("run", "a", "J0", "J0.0", 0, 3)
    timeline.span("run", "a", "J1", "J1.0", 2, 6)
    with pytest.raises(InputError, match=r"warm_start: capacity: J1\.0 takes a"):
        solve(shop, warm_start=timeline)


def test_stop_keeps_the_best():
    shop = published("la01", objective="total_flow_time")
    solution = solve(shop, time_limit=60, stop=lambda: True, workers=1)
    assert solution.interrupted and solution.feasible and solution.status == "feasible"
    assert solution.bound <= solution.value


def test_progress_improves():
    shop = published("ft06", blocking="swap")
    steps = []
    solution = solve(shop, workers=1, progress=lambda *step: steps.append(step))
    assert [(s.seconds, s.value, s.bound) for s in solution.log] == steps
    values = [v for _, v, _ in steps]
    bounds = [b for _, _, b in steps]
    assert values == sorted(values, reverse=True) and bounds == sorted(bounds)
    assert (values[-1], bounds[-1]) == (63, 63)


def windowed(length: int, **options: object) -> JobShop:
    """Two operations without wait; the second machine is open for six ticks a day."""
    return shop_of(
        (("a", 3), ("b", length)),
        (("b", 2),),
        machines=(
            Machine(name="a"),
            Machine(name="b", calendar=Calendar(period=24, open=((10, 16),))),
        ),
        **options,
    )


def test_window_that_is_too_short_for_a_job_that_may_not_wait():
    fits = solve(windowed(6, no_wait=True), workers=1)
    assert (fits.status, fits.value) == ("optimal", 36)
    too_long = solve(windowed(7, no_wait=True), workers=1)
    assert (too_long.status, too_long.value, too_long.timeline) == ("infeasible", None, None)
    assert too_long.reason == ("proved: the calendar of b and no-wait of J0 cannot be met together")


def test_setup_for_which_a_job_may_not_wait():
    shop = JobShop(
        machines=(Machine(name="m"),),
        jobs=(
            Job(
                name="x",
                operations=(
                    Operation(machine="m", duration=2, family="red"),
                    Operation(machine="m", duration=2, family="blue"),
                ),
            ),
        ),
        setups=(Setup(before="red", after="blue", duration=1),),
        no_wait=True,
    )
    solution = solve(shop, workers=1)
    assert solution.status == "infeasible"
    assert solution.reason == "proved: no-wait of x and the setups of m cannot be met together"


def test_the_same_window_with_waiting():
    assert solve(windowed(7), workers=1).value == 10 + 24 + 3


def test_unsound_scenario_is_refused():
    with pytest.raises(InputError, match="there is no machine"):
        solve(JobShop(jobs=(), machines=()))


def test_one_worker_repeats_itself():
    shop = draw_larger(3, flexible=True, setups=True)
    first = solve(shop, workers=1, seed=5)
    second = solve(shop, workers=1, seed=5)
    assert first.status == "optimal"
    assert first.timeline.digest() == second.timeline.digest()


def test_many_operations_do_without_literals_for_pairs(monkeypatch):
    from hocket.shop.exact import sequencing

    shop = draw_larger(1, flexible=True)
    with_pairs = solve(shop, workers=1)
    monkeypatch.setattr(sequencing, "MOST_PAIRS", 0)
    without = solve(shop, workers=1)
    assert with_pairs.status == without.status == "optimal"
    assert with_pairs.value == without.value


def test_a_model_that_refutes_a_good_schedule_would_show(monkeypatch):
    """Should model and checker ever disagree, the schedule in hand stays, nothing is claimed."""
    shop = published("ft06", blocking="swap")
    monkeypatch.setattr(constraint, "useful_end", lambda *_: 10)
    solution = solve(shop, workers=1)
    assert solution.status == "feasible" and solution.feasible
    assert not check(shop, solution.timeline)


def test_alternatives_on_one_fast_machine_are_shared():
    """Four unit jobs, two machines: the load bound proves 2 at once."""
    both = tuple(Alternative(machine=m, duration=1) for m in ("a", "b"))
    shop = JobShop(
        machines=(Machine(name="a"), Machine(name="b")),
        jobs=tuple(Job(name=f"J{j}", operations=(Operation(alternatives=both),)) for j in range(4)),
    )
    assert solve(shop, workers=1).value == 2
