import random

import pyjobshop
import pytest

from hocket.core.errors import InputError, UnknownName, UserError
from hocket.shop.check.project import check
from hocket.shop.exact.project import draw, lower_bound, solve, warm_start
from hocket.shop.metrics.project import metrics as project_metrics
from hocket.shop.model import Activity, Lag, Mode, Project, Resource
from hocket.shop.model.objectives import OBJECTIVES
from hocket.shop.policies.project import LFT
from hocket.shop.simulate.project import simulate
from hocket.solvers.network import Schedule, horizon
from hocket.solvers.project import solve_network
from tests.shop import projects


@pytest.mark.parametrize("seed", range(40))
def test_cp_sat_finds_the_optimum_of_all_schedules(seed: int) -> None:
    rng = random.Random(seed)
    project = projects.small(rng, activities=3, modes=2)
    dated = any(a.due is not None for a in project.activities)
    objective = rng.choice(OBJECTIVES if dated else OBJECTIVES[:3])
    network = project.network()
    # Two ticks more than the horizon must not help: that is the horizon's claim.
    expected = projects.optimum(project, objective, min(horizon(network) + 2, 16))
    solution = solve(project, objective, workers=1, time_limit=20)
    if expected is None:
        assert solution.status == "infeasible"
        assert solution.reason
        return
    assert solution.status == "optimal"
    assert solution.value == solution.bound == expected
    assert solution.feasible
    assert projects.feasible(project, projects.plan_of(project, solution.timeline))
    assert project_metrics(project, solution.timeline)[objective] == expected
    assert lower_bound(network, objective) <= expected


def _peer(project: Project) -> int | None:
    """The least makespan by PyJobShop; None when it proves that there is no schedule."""
    model = pyjobshop.Model()
    resources = {
        r.name: model.add_renewable(r.capacity) if r.renewable else model.add_consumable(r.capacity)
        for r in project.resources
    }
    tasks = {a.name: model.add_task(earliest_start=a.release) for a in project.activities}
    for activity in project.activities:
        for mode in activity.modes:
            used = [resources[name] for name in mode.demands]
            model.add_mode(tasks[activity.name], used, mode.duration, list(mode.demands.values()))
    add = {
        ("start", "start"): model.add_start_before_start,
        ("start", "finish"): model.add_start_before_end,
        ("finish", "start"): model.add_end_before_start,
        ("finish", "finish"): model.add_end_before_end,
    }
    for lag in project.lags:
        add[lag.since, lag.of](tasks[lag.before], tasks[lag.after], lag.least)
        if lag.most is not None:
            add[lag.of, lag.since](tasks[lag.after], tasks[lag.before], -lag.most)
    result = model.solve(time_limit=20, display=False, num_workers=1)
    return None if result.status.name == "INFEASIBLE" else int(result.objective)


@pytest.mark.parametrize("seed", range(24))
def test_pyjobshop_agrees(seed: int) -> None:
    rng = random.Random(1000 + seed)
    project = projects.small(rng, activities=8, modes=3, longest=6, lags=seed % 3 > 0)
    solution = solve(project, "makespan", workers=1, time_limit=20)
    expected = _peer(project)
    if expected is None:
        assert solution.status == "infeasible"
    else:
        assert (solution.status, solution.value) == ("optimal", expected)
        assert solution.feasible


def _one_crew(*activities: Activity, lags: tuple[Lag, ...] = (), **other: object) -> Project:
    crew = Resource(name="crew", capacity=1)
    return Project(activities=activities, resources=(crew,), lags=lags, **other)


def _job(name: str, duration: int, crew: int = 1, **other: object) -> Activity:
    return Activity(name=name, modes=(Mode(duration=duration, demands={"crew": crew}),), **other)


def test_contradictory_lags_are_explained_by_their_cycle() -> None:
    project = _one_crew(
        _job("dig", 3),
        _job("pour", 2),
        lags=(
            Lag(before="dig", after="pour", least=1),
            Lag(before="dig", after="pour", since="start", most=3),
        ),
    )
    solution = solve(project)
    assert solution.status == "infeasible"
    assert solution.timeline is None
    assert solution.reason == (
        "the time lags contradict each other by 1: 'pour' starts at least 4 after 'dig' starts, "
        "and 'pour' starts at most 3 after 'dig' starts"
    ) or solution.reason == (
        "the time lags contradict each other by 1: 'pour' starts at most 3 after 'dig' starts, "
        "and 'pour' starts at least 4 after 'dig' starts"
    )


def test_a_stock_that_is_too_small_is_named() -> None:
    mode = Mode(duration=1, demands={"money": 3})
    project = Project(
        activities=(Activity(name="a", modes=(mode,)), Activity(name="b", modes=(mode,))),
        resources=(Resource(name="money", capacity=5, renewable=False),),
    )
    assert solve(project).reason == (
        "the cheapest modes of all activities together need 6 of 'money', but only 5 are there"
    )


def test_two_stocks_that_clash_are_named_together() -> None:
    ways = (
        Mode(duration=1, demands={"money": 2}, name="buy"),
        Mode(duration=1, demands={"steel": 2}, name="make"),
    )
    project = Project(
        activities=tuple(Activity(name=n, modes=ways) for n in "abc"),
        resources=(
            Resource(name="money", capacity=3, renewable=False),
            Resource(name="steel", capacity=3, renewable=False),
        ),
    )
    solution = solve(project, workers=1)
    assert solution.status == "infeasible"
    assert "the stock 3 of 'money'" in solution.reason
    assert "the stock 3 of 'steel'" in solution.reason


def test_a_maximum_lag_and_a_capacity_that_clash_are_named_together() -> None:
    project = _one_crew(
        _job("a", 4),
        _job("b", 2),
        _job("idle", 9, crew=0),
        lags=(
            Lag(before="a", after="b", since="start", least=-1, most=3),
            Lag(before="a", after="idle"),
        ),
    )
    solution = solve(project, workers=1)
    assert solution.status == "infeasible"
    assert "the capacity 1 of 'crew'" in solution.reason
    assert "'b' starts at most 3 after 'a' starts" in solution.reason
    assert "'a' starts at most 1 after 'b' starts" in solution.reason
    assert "idle" not in solution.reason


def test_negative_gaps_read_the_other_way_round_in_reasons() -> None:
    project = _one_crew(
        _job("a", 4),
        _job("b", 4),
        lags=(
            Lag(before="a", after="b", least=-2, since="start"),
            Lag(before="b", after="a", least=-2, since="start"),
        ),
    )
    reason = solve(project, workers=1).reason
    assert "'a' starts at most 2 after 'b' starts" in reason
    assert "'b' starts at most 2 after 'a' starts" in reason


def test_unknown_objective_and_missing_due_dates_are_errors() -> None:
    project = _one_crew(_job("a", 1))
    with pytest.raises(UnknownName, match="did you mean 'makespan'"):
        solve(project, "makspan")
    with pytest.raises(InputError, match="needs due dates"):
        solve(project, "total_tardiness")


def test_times_too_large_for_exact_sums_are_refused() -> None:
    huge = tuple(_job(f"j{i}", 2**39, due=2**40, weight=2**20) for i in range(4))
    with pytest.raises(UserError, match="coarser time_unit"):
        solve(_one_crew(*huge), "weighted_tardiness")


def test_no_time_still_gives_the_warm_start_and_a_bound() -> None:
    project = _one_crew(_job("a", 2, due=2), _job("b", 3, due=2), _job("c", 1, due=2))
    solution = solve(project, "total_tardiness", time_limit=0)
    assert solution.status == "feasible"
    assert solution.feasible
    assert solution.bound is not None
    assert solution.value is not None
    assert solution.bound < 5 <= solution.value


def test_progress_never_worsens_and_ends_at_the_solution() -> None:
    rng = random.Random(5)
    project = projects.small(rng, activities=10, modes=2, longest=9, lags=False)
    news: list[tuple[float, float | None, float | None]] = []
    solution = solve(project, workers=1, progress=lambda *step: news.append(step))
    values = [v for _, v, _ in news if v is not None]
    assert values == sorted(values, reverse=True)
    assert [s.value for s in solution.log] == [v for _, v, _ in news]
    assert solution.status == "optimal"
    assert solution.value == values[-1]


def test_stop_ends_the_search_with_what_is_known() -> None:
    rng = random.Random(8)
    project = projects.small(rng, activities=16, modes=3, longest=9, lags=False)
    solution = solve(project, "weighted_flow_time", workers=1, stop=lambda: True)
    assert solution.status in ("feasible", "optimal")
    assert solution.feasible


def test_a_drawing_equals_the_simulated_timeline_up_to_reasons() -> None:
    rng = random.Random(3)
    project = projects.small(rng, activities=8, modes=2, lags=False, stock=True)
    timeline = simulate(project, LFT())
    plan = projects.plan_of(project, timeline)
    drawn = draw(project, Schedule(tuple(s for s, _ in plan), tuple(k for _, k in plan)))

    def content(spans: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
        return sorted(span[:6] for span in spans)

    assert content(list(drawn.spans())) == content(list(timeline.spans()))
    assert drawn.lanes == timeline.lanes
    assert sorted(drawn.gauges()) == sorted(timeline.gauges())


@pytest.mark.parametrize("seed", range(150))
def test_search_and_bounds_agree_with_feasible_schedules(seed: int) -> None:
    """Whatever the rules find is a witness: the search must reach it, no bound may exceed it."""
    rng = random.Random(seed)
    project = projects.small(rng, activities=rng.randint(3, 9), modes=rng.randint(1, 3), longest=5)
    if project.lag_contradiction():
        return
    network = project.network()
    warm = warm_start(network, "makespan")
    solution = solve(project, "makespan", workers=1, time_limit=20)
    if warm is not None:
        assert check(project, draw(project, warm)) == []
        assert solution.status == "optimal"
    if solution.value is not None:
        assert lower_bound(network, "makespan") <= solution.value
        assert solution.feasible
        cold = solve_network(network, "makespan", time_limit=20)
        assert cold.outcome.value == solution.value
