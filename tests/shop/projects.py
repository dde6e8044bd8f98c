"""Small random projects, and what is true of them found by trying everything."""

import random
from itertools import product
from typing import Literal

from hocket.core.timeline import Timeline
from hocket.shop.model import Activity, Lag, Mode, Project, Resource

ENDS: tuple[Literal["start", "finish"], ...] = ("start", "finish")
Plan = list[tuple[int, int]]  # (start, mode) by activity


def small(
    rng: random.Random,
    *,
    activities: int = 4,
    modes: int = 2,
    longest: int = 3,
    lags: bool = True,
    stock: bool = True,
) -> Project:
    """A random project; it may be infeasible when it has time lags or a stock."""
    resources = [Resource(name="crew", capacity=rng.randint(2, 3))]
    resources.append(Resource(name="crane", capacity=rng.randint(1, 2)))
    if stock:
        resources.append(
            Resource(
                name="money",
                capacity=rng.randint(max(4, activities), 3 * activities + 1),
                renewable=False,
            )
        )
    names = "abcdefghijklmnop"[:activities]
    return Project(
        activities=tuple(
            Activity(
                name=name,
                modes=tuple(
                    Mode(
                        duration=rng.randint(0, longest),
                        demands={
                            r.name: rng.randint(0, 4 if not r.renewable else r.capacity)
                            for r in resources
                            if rng.random() < 0.7
                        },
                    )
                    for _ in range(rng.randint(1, modes))
                ),
                release=rng.choice([0, 0, 0, 2]),
                due=rng.choice([None, 3, 5]),
                weight=rng.randint(0, 3),
            )
            for name in names
        ),
        resources=tuple(resources),
        lags=tuple(random_lags(rng, names, with_gaps=lags)),
    )


def random_lags(rng: random.Random, names: str, *, with_gaps: bool) -> list[Lag]:
    """Links from earlier to later activities, some of them with minimum and maximum lags."""
    lags = []
    for i, before in enumerate(names):
        for after in names[i + 1 :]:
            if rng.random() < 0.6:
                continue
            if not with_gaps or rng.random() < 0.4:
                lags.append(Lag(before=before, after=after))
                continue
            least = rng.randint(-2, 2)
            lags.append(
                Lag(
                    before=before,
                    after=after,
                    least=least,
                    most=rng.choice([None, least + rng.randint(0, 3)]),
                    since=rng.choice(ENDS),
                    of=rng.choice(ENDS),
                )
            )
    return lags


def feasible(project: Project, plan: Plan) -> bool:
    """Whether a plan keeps to everything, straight from the definitions."""
    mode = [a.modes[k] for a, (_, k) in zip(project.activities, plan, strict=True)]
    start = {a.name: s for a, (s, _) in zip(project.activities, plan, strict=True)}
    end = {
        a.name: start[a.name] + m.duration for a, m in zip(project.activities, mode, strict=True)
    }
    if any(start[a.name] < a.release for a in project.activities):
        return False
    for lag in project.lags:
        gap = (start if lag.of == "start" else end)[lag.after]
        gap -= (start if lag.since == "start" else end)[lag.before]
        if gap < lag.least or (lag.most is not None and gap > lag.most):
            return False
    for resource in project.resources:
        needs = [m.demands.get(resource.name, 0) for m in mode]
        if not resource.renewable:
            if sum(needs) > resource.capacity:
                return False
            continue
        if max(needs) > resource.capacity:
            return False
        for time in range(max(end.values())):
            level = sum(
                need
                for a, need in zip(project.activities, needs, strict=True)
                if start[a.name] <= time < end[a.name]
            )
            if level > resource.capacity:
                return False
    return True


def value(project: Project, plan: Plan, objective: str) -> int:
    """An objective of a plan, straight from its definition."""
    ends = [s + a.modes[k].duration for a, (s, k) in zip(project.activities, plan, strict=True)]
    pairs = list(zip(project.activities, ends, strict=True))
    dated = [(a, end, a.due) for a, end in pairs if a.due is not None]
    return {
        "makespan": lambda: max(ends),
        "total_flow_time": lambda: sum(end - a.release for a, end in pairs),
        "weighted_flow_time": lambda: sum(a.weight * (end - a.release) for a, end in pairs),
        "total_tardiness": lambda: sum(max(0, end - due) for _, end, due in dated),
        "weighted_tardiness": lambda: sum(a.weight * max(0, end - due) for a, end, due in dated),
        "max_lateness": lambda: max(end - due for _, end, due in dated),
        "late_jobs": lambda: sum(end > due for _, end, due in dated),
    }[objective]()


def optimum(project: Project, objective: str, horizon: int) -> int | None:
    """The best value of all plans that end by `horizon`; None when none is feasible."""
    best: int | None = None
    index = {a.name: i for i, a in enumerate(project.activities)}

    def extend(plan: Plan, modes: tuple[int, ...]) -> None:
        nonlocal best
        i = len(plan)
        if i == len(modes):
            if feasible(project, plan):
                found = value(project, plan, objective)
                best = found if best is None else min(best, found)
            return
        activity = project.activities[i]
        for start in range(activity.release, horizon - activity.modes[modes[i]].duration + 1):
            plan.append((start, modes[i]))
            if all(
                _kept(project, lag, plan, index)
                for lag in project.lags
                if max(index[lag.before], index[lag.after]) == i
            ):
                extend(plan, modes)
            plan.pop()

    for modes in product(*(range(len(a.modes)) for a in project.activities)):
        extend([], modes)
    return best


def _kept(project: Project, lag: Lag, plan: Plan, index: dict[str, int]) -> bool:
    def point(name: str, which: str) -> int:
        start, mode = plan[index[name]]
        length = project.activities[index[name]].modes[mode].duration
        return start + (length if which == "finish" else 0)

    gap = point(lag.after, lag.of) - point(lag.before, lag.since)
    return gap >= lag.least and (lag.most is None or gap <= lag.most)


def plan_of(project: Project, timeline: Timeline) -> Plan:
    """The plan that a timeline shows."""
    spans = {span.group: span for span in timeline.spans("run")}
    plan = []
    for activity in project.activities:
        labels = [activity.label(k) for k in range(len(activity.modes))]
        span = spans[activity.name]
        plan.append((span.start, labels.index(span.name)))
    return plan
