"""Resource-constrained projects: RCPSP, multi-mode, with time lags."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Literal

import msgspec

from hocket.core.errors import Problem
from hocket.core.scenario import Scenario, SignedTicks, Ticks, repeated
from hocket.shop.model.jobshop import (
    Part,
    Weight,
    job_problems,
    objective_problems,
    unknown,
)
from hocket.shop.model.objectives import Objective
from hocket.solvers.network import Link, Network, Task, TaskMode, arcs, windows

Amount = Annotated[int, msgspec.Meta(ge=0, le=2**40)]


class Resource(Part, frozen=True, kw_only=True):
    """A capacity: per instant if `renewable` (people), for the whole project if not (money)."""

    name: str
    capacity: Amount
    renewable: bool = True


class Mode(Part, frozen=True, kw_only=True):
    """One way to do an activity: how long (ticks), and what it needs of each resource."""

    duration: Ticks
    demands: dict[str, Amount] = msgspec.field(default_factory=dict)
    name: str = ""


class Activity(Part, frozen=True, kw_only=True):
    """A piece of the project, done in one of its modes without interruption."""

    name: str
    modes: tuple[Mode, ...]
    release: Ticks = 0
    due: Ticks | None = None
    weight: Weight = 1

    def label(self, mode: int) -> str:
        """What a timeline calls the activity in this mode; the labels of its modes differ.

        The mode's own name, else the activity's if it has one mode, else ``mode 1``, ``mode 2`` ...
        """
        if self.modes[mode].name:
            return self.modes[mode].name
        return self.name if len(self.modes) == 1 else f"mode {mode + 1}"


class Lag(Part, frozen=True, kw_only=True):
    """A precedence with a time lag between two activities.

    The point `of` of `after` (start or finish) is at least `least` and, if given, at most `most`
    ticks later than the point `since` of `before`; negative numbers are ticks earlier. Defaults
    make it plain finish-to-start.
    """

    before: str
    after: str
    least: SignedTicks = 0
    most: SignedTicks | None = None
    since: Literal["start", "finish"] = "finish"
    of: Literal["start", "finish"] = "start"

    @property
    def plain(self) -> bool:
        """Whether it is a precedence without a lag: `after` starts when `before` has finished."""
        return (self.since, self.of, self.least, self.most) == ("finish", "start", 0, None)


class Project(Scenario, frozen=True, kw_only=True, tag_field="problem", tag="shop/project"):
    """Activities that need resources, tied by precedences and time lags."""

    activities: tuple[Activity, ...]
    resources: tuple[Resource, ...] = ()
    lags: tuple[Lag, ...] = ()
    objective: Objective = "makespan"

    @property
    def renewable(self) -> tuple[Resource, ...]:
        """The resources with a capacity per instant, in their order."""
        return tuple(r for r in self.resources if r.renewable)

    @property
    def consumed(self) -> tuple[Resource, ...]:
        """The resources with a stock for the whole project, in their order."""
        return tuple(r for r in self.resources if not r.renewable)

    @property
    def lanes(self) -> tuple[str, ...]:
        """The lanes of a timeline in order: the renewable resources, then ``project`` if needed."""
        names = tuple(r.name for r in self.renewable)
        used = {self.lane(i, k) for i, a in enumerate(self.activities) for k in range(len(a.modes))}
        return (*names, "project") if "project" in used - set(names) else names

    def lane(self, activity: int, mode: int) -> str:
        """Where a timeline draws the activity: on the renewable resource it takes most of.

        Most by share of the capacity, the first of equals; ``project`` if it takes none.
        """
        demands = self.activities[activity].modes[mode].demands
        shares = [
            (demands.get(r.name, 0) / r.capacity if r.capacity else 0, r.name)
            for r in self.renewable
        ]
        share, name = max(shares, key=lambda pair: pair[0], default=(0, ""))
        return name if share > 0 else "project"

    def network(self) -> Network:
        """The same problem as plain numbers, in the order of activities and resources."""
        index = {a.name: i for i, a in enumerate(self.activities)}
        renewable = [r.name for r in self.renewable]
        consumed = [r.name for r in self.consumed]
        tasks = tuple(
            Task(
                modes=tuple(
                    TaskMode(
                        mode.duration,
                        tuple(mode.demands.get(name, 0) for name in renewable),
                        tuple(mode.demands.get(name, 0) for name in consumed),
                    )
                    for mode in activity.modes
                ),
                release=activity.release,
                due=activity.due,
                weight=activity.weight,
            )
            for activity in self.activities
        )
        links: list[Link] = []
        for lag in self.lags:
            before, after = index[lag.before], index[lag.after]
            links.append(Link(before, after, lag.least, lag.since, lag.of))
            if lag.most is not None:  # the other way round: before is at least -most after `after`
                links.append(Link(after, before, -lag.most, lag.of, lag.since))
        return Network(
            tasks=tasks,
            capacity=tuple(r.capacity for r in self.renewable),
            stock=tuple(r.capacity for r in self.consumed),
            links=tuple(links),
        )

    def lag_contradiction(self) -> str:
        """Why no schedule can satisfy the time lags, whatever the resources; empty if none is seen.

        With several modes only what contradicts in all of them counts.
        """
        network = self.network()
        cycle = windows(network).cycle
        if not cycle:
            return ""
        out = arcs(network)
        parts, total = [], 0
        for before, after in pairwise(cycle):
            gap = max(gap for node, gap in out[before] if node == after)
            total += gap
            first, second = self.activities[before].name, self.activities[after].name
            if gap >= 0:
                parts.append(f"{second!r} starts at least {gap} after {first!r} starts")
            else:
                parts.append(f"{first!r} starts at most {-gap} after {second!r} starts")
        return f"the time lags contradict each other by {total}: {', and '.join(parts)}"

    def problems(self) -> Iterator[Problem]:
        """See Scenario.problems."""
        if not self.activities:
            yield Problem("activities", "there is no activity")
        yield from repeated("activities", [a.name for a in self.activities])
        yield from repeated("resources", [r.name for r in self.resources])
        capacity = {r.name: r.capacity for r in self.resources}
        for i, activity in enumerate(self.activities):
            yield from self._activity_problems(f"activities[{i}]", activity, capacity)
        names = {a.name for a in self.activities}
        for i, lag in enumerate(self.lags):
            for side in ("before", "after"):
                if (name := getattr(lag, side)) not in names:
                    yield unknown(f"lags[{i}].{side}", "activity", name, names)
            if lag.before == lag.after:
                yield Problem(f"lags[{i}]", f"a lag ties activity {lag.after!r} to itself")
            if lag.most is not None and lag.most < lag.least:
                yield Problem(f"lags[{i}].most", f"{lag.most} is below least, {lag.least}")
        yield from self._cycle_problems(names)
        yield from objective_problems(self.objective, [a.due for a in self.activities])

    def _activity_problems(
        self, path: str, activity: Activity, capacity: dict[str, int]
    ) -> Iterator[Problem]:
        yield from job_problems(path, activity.name, activity.release, activity.due)
        if not activity.modes:
            yield Problem(f"{path}.modes", f"activity {activity.name!r} has no mode")
        for k, mode in enumerate(activity.modes):
            for name in mode.demands:
                if name not in capacity:
                    where = f"{path}.modes[{k}].demands"
                    yield unknown(where, "resource", name, set(capacity))
        labels = [activity.label(k) for k in range(len(activity.modes))]
        yield from repeated(f"{path}.modes", labels)
        if activity.modes and not any(
            all(need <= capacity.get(name, need) for name, need in mode.demands.items())
            for mode in activity.modes
        ):
            yield Problem(path, f"activity {activity.name!r} needs more than any capacity allows")

    def _cycle_problems(self, names: set[str]) -> Iterator[Problem]:
        """A circle of finish-to-start precedences that no schedule can satisfy."""
        successors: dict[str, list[str]] = {name: [] for name in sorted(names)}
        for lag in self.lags:
            plain = lag.since == "finish" and lag.of == "start" and lag.least >= 0
            known = lag.before in names and lag.after in names and lag.before != lag.after
            if plain and known:
                successors[lag.before].append(lag.after)
        if cycle := find_cycle(successors):
            yield Problem("lags", "precedences form a cycle: " + " -> ".join(cycle))


def find_cycle(successors: dict[str, list[str]]) -> list[str]:
    """A cycle of the graph as a closed walk ``[a, b, a]``, or an empty list."""
    done: set[str] = set()
    for root in sorted(successors):
        path: list[str] = []
        on_path: set[str] = set()
        stack = [(root, iter(successors[root]))] if root not in done else []
        if stack:
            path.append(root)
            on_path.add(root)
        while stack:
            node, children = stack[-1]
            for child in children:
                if child in on_path:
                    return [*path[path.index(child) :], child]
                if child not in done:
                    stack.append((child, iter(successors[child])))
                    path.append(child)
                    on_path.add(child)
                    break
            else:
                stack.pop()
                done.add(node)
                on_path.discard(path.pop())
    return []
