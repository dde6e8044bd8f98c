"""Job types, which are graphs of tasks, and how jobs of them arrive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec

from hocket.core.errors import Problem
from hocket.core.scenario import Ticks
from hocket.taskgraph.model.processors import NotNegative


class Task(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A task of a job type. `function` is what it runs, its own name if empty."""

    name: str
    function: str = ""

    @property
    def runs(self) -> str:
        """The function."""
        return self.function or self.name


class Edge(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Task `target` needs what task `source` produces: `volume` units of data."""

    source: str
    target: str
    volume: NotNegative = 0.0


class JobType(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A directed acyclic graph of tasks. Jobs of it arrive in proportion to `weight`."""

    name: str
    tasks: tuple[Task, ...]
    edges: tuple[Edge, ...] = ()
    weight: NotNegative = 1.0

    def problems(self, where: str, functions: set[str]) -> Iterator[Problem]:
        """What is wrong with it, at `where` in the file; `functions` are those that can be run."""
        if not self.tasks:
            yield Problem(f"{where}.tasks", "is empty; list at least one task")
        if self.weight == 0:
            fix = "give it a positive weight, or take it out"
            yield Problem(f"{where}.weight", f"is 0: no job of this type ever arrives; {fix}")
        names = Counter(task.name for task in self.tasks)
        for name, count in names.items():
            if count > 1:
                yield Problem(f"{where}.tasks", f"has {count} tasks {name!r}; rename all but one")
        for i, task in enumerate(self.tasks):
            if not task.name:
                yield Problem(f"{where}.tasks[{i}].name", "is empty; name the task")
            elif task.runs not in functions:
                what = f"runs {task.runs!r}, which no processor can"
                yield Problem(f"{where}.tasks[{i}]", f"{what}; add it to a processor's functions")
        seen: set[tuple[str, str]] = set()
        for i, edge in enumerate(self.edges):
            at = f"{where}.edges[{i}]"
            for end in (edge.source, edge.target):
                if end not in names:
                    yield Problem(at, f"names {end!r}, which is no task; mend the name")
            if (edge.source, edge.target) in seen:
                yield Problem(at, f"repeats {edge.source} -> {edge.target}; add the volumes up")
            seen.add((edge.source, edge.target))
        if circle := find_cycle([task.name for task in self.tasks], seen):
            what = f"go round in a circle: {' -> '.join([*circle, circle[0]])}"
            yield Problem(f"{where}.edges", f"{what}; take one of these edges out")


def find_cycle(names: list[str], edges: set[tuple[str, str]]) -> list[str]:
    """Tasks that depend on one another in a circle, in order; empty if there is none."""
    after: dict[str, list[str]] = {name: [] for name in names}
    for source, target in sorted(edges):
        if source in after and target in after:
            after[source].append(target)
    state = dict.fromkeys(after, 0)  # 0 not seen, 1 on the path, 2 done
    for root in after:
        path, stack = [], [(root, iter(after[root]))] if not state[root] else []
        if stack:
            state[root] = 1
            path.append(root)
        while stack:
            node, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                stack.pop()
                path.pop()
                state[node] = 2
            elif state[following] == 1:
                return path[path.index(following) :]
            elif state[following] == 0:
                state[following] = 1
                path.append(following)
                stack.append((following, iter(after[following])))
    return []


class Release(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A job of this `type` arrives at `time`."""

    type: str
    time: Ticks = 0


class Listed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="listed"):
    """Known arrivals. Without `jobs`, one job of every type arrives at time 0."""

    jobs: tuple[Release, ...] = ()


class Stream(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="stream"):
    """Jobs whose types are drawn by weight, after gaps of ``floor(Exp(mean gap))`` ticks.

    - `gap`: mean ticks from one arrival to the next; `gaps` may be constant instead
    - `capacity`: most jobs in the system; while it is full, arrivals are blocked
    - `when_full` ``retry``: a blocked job tries again one tick and another gap later, as in
      gym_ds3. ``wait``: it enters as soon as there is room, and the next gap starts then
    - `prefill`: start with as many jobs as the system holds (pseudo-steady state)
    - `jobs`: stop after so many; None goes on until the horizon
    """

    gap: Annotated[float, msgspec.Meta(ge=0.5, le=2**40)] = 25.0
    gaps: Literal["exponential", "constant"] = "exponential"
    capacity: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    when_full: Literal["retry", "wait"] = "retry"
    prefill: bool = False
    jobs: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] | None = None
