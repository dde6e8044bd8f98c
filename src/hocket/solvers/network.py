"""Resource-constrained activity networks as plain numbers: what the project solvers work on.

Tasks have modes; a mode takes time, occupies renewable capacity while it runs and spends
non-renewable stock once. Links are generalised precedence relations: they tie the start or finish
of one task to the start or finish of another by a least gap, which may be negative (a maximum time
lag read backwards). Notation and results: Neumann, Schwindt & Zimmermann, *Project Scheduling with
Time Windows and Scarce Resources*, 2nd edition, Springer 2003, chapter 1.

Everything is indexed by position and measured in integer ticks; names belong to the domains.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, Protocol

import msgspec
import numpy as np

End = Literal["start", "finish"]


class TaskMode(msgspec.Struct, frozen=True):
    """`duration` in ticks; `use` of each renewable and `spend` of each non-renewable resource."""

    duration: int
    use: tuple[int, ...] = ()
    spend: tuple[int, ...] = ()


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """Work done in one of its modes: not before `release`, finished by `deadline` if it has one."""

    modes: tuple[TaskMode, ...]
    release: int = 0
    deadline: int | None = None
    due: int | None = None
    weight: int = 1

    @property
    def shortest(self) -> int:
        """The smallest duration of its modes."""
        return min(mode.duration for mode in self.modes)

    @property
    def longest(self) -> int:
        """The largest duration of its modes."""
        return max(mode.duration for mode in self.modes)


class Link(msgspec.Struct, frozen=True):
    """The point `of` of task `after` is at least `gap` later than the point `since` of `before`."""

    before: int
    after: int
    gap: int = 0
    since: End = "finish"
    of: End = "start"

    def between_starts(self, before: int, after: int) -> int:
        """The gap from start to start when the two tasks last `before` and `after` ticks."""
        gap = self.gap + before if self.since == "finish" else self.gap
        return gap - after if self.of == "finish" else gap


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """Tasks tied by links, the `capacity` of renewable and the `stock` of other resources.

    The `use` and `spend` of every mode are as long as `capacity` and `stock`.
    """

    tasks: tuple[Task, ...]
    capacity: tuple[int, ...] = ()
    stock: tuple[int, ...] = ()
    links: tuple[Link, ...] = ()

    def fits(self, mode: TaskMode) -> bool:
        """Whether the mode alone is within every capacity and stock."""
        return all(u <= c for u, c in zip(mode.use, self.capacity, strict=True)) and all(
            s <= c for s, c in zip(mode.spend, self.stock, strict=True)
        )

    def restricted(self, modes: Sequence[int]) -> Network:
        """The single-mode network in which every task has the mode given here."""
        tasks = tuple(
            msgspec.structs.replace(task, modes=(task.modes[k],))
            for task, k in zip(self.tasks, modes, strict=True)
        )
        return msgspec.structs.replace(self, tasks=tasks)


class Schedule(msgspec.Struct, frozen=True):
    """The start and the mode of every task, in their order."""

    start: tuple[int, ...]
    mode: tuple[int, ...]

    def finish(self, network: Network) -> tuple[int, ...]:
        """When every task ends."""
        return tuple(
            start + task.modes[k].duration
            for start, k, task in zip(self.start, self.mode, network.tasks, strict=True)
        )


def arcs(network: Network) -> list[list[tuple[int, int]]]:
    """For every task its outgoing ``(after, gap from start to start)``, least over all modes.

    With several modes this is a relaxation: whatever it forbids, no choice of modes allows.
    """
    shortest = [task.shortest for task in network.tasks]
    longest = [task.longest for task in network.tasks]
    out: list[list[tuple[int, int]]] = [[] for _ in network.tasks]
    for link in network.links:
        gap = link.between_starts(shortest[link.before], longest[link.after])
        out[link.before].append((link.after, gap))
    return out


class Windows(msgspec.Struct, frozen=True):
    """Earliest starts by links and releases alone; `cycle` is a contradiction among the links.

    `cycle` is a closed walk of tasks ``(a, b, a)`` along which the gaps add up to more than zero:
    no schedule exists. It is empty otherwise.
    """

    earliest: tuple[int, ...]
    cycle: tuple[int, ...] = ()


def windows(network: Network) -> Windows:
    """Longest paths from time zero (Bellman-Ford): rounds over all arcs until nothing changes.

    The arcs that last raised a label form paths; where they close into a cycle, its length is
    positive.
    """
    out = arcs(network)
    earliest = [task.release for task in network.tasks]
    parent = [-1] * len(earliest)
    while True:
        changed = False
        for node, leaving in enumerate(out):
            for after, gap in leaving:
                if earliest[node] + gap > earliest[after]:
                    earliest[after] = earliest[node] + gap
                    parent[after] = node
                    changed = True
        if not changed:
            return Windows(tuple(earliest))
        if cycle := _closed_walk(parent):
            return Windows(tuple(earliest), cycle)


def _closed_walk(parent: list[int]) -> tuple[int, ...]:
    """A cycle among the parents, in the direction from parent to child; empty if there is none."""
    seen_from = [-1] * len(parent)
    for root in range(len(parent)):
        node = root
        while node >= 0 and seen_from[node] < 0:
            seen_from[node] = root
            node = parent[node]
        if node >= 0 and seen_from[node] == root:
            cycle = [node]
            while parent[cycle[-1]] != node:
                cycle.append(parent[cycle[-1]])
            cycle.append(node)
            return tuple(reversed(cycle))
    return ()


def distances(network: Network) -> list[list[tuple[int, int]]]:
    """For every task the others that bound its start: ``(other, gap)``, over all chains of links.

    The task starts at least `gap`, which may be negative, after the other; pairs without a chain
    are left out. Longest paths by Floyd and Warshall, for links that hold no contradiction; O(n^3).
    """
    none = -(2**60)
    count = len(network.tasks)
    far = np.full((count, count), none, dtype=np.int64)
    for i, leaving in enumerate(arcs(network)):
        for j, gap in leaving:
            far[i, j] = max(int(far[i, j]), gap)
    for k in range(count):
        np.maximum(far, far[:, k, None] + far[None, k, :], out=far)
    return [
        [(int(i), int(far[i, j])) for i in np.flatnonzero(far[:, j] > none // 2) if i != j]
        for j in range(count)
    ]


def latest_starts(network: Network, end: int) -> tuple[int, ...]:
    """When every task must start for all to finish by `end`, by links and deadlines alone.

    The backward pass of the critical path method. Raises ValueError when the links contradict each
    other, which `windows` finds and explains.
    """
    out = arcs(network)
    latest = [
        (end if task.deadline is None else min(end, task.deadline)) - task.shortest
        for task in network.tasks
    ]
    for _ in range(len(latest) + 1):
        changed = False
        for node in range(len(latest) - 1, -1, -1):
            start = min([latest[node], *(latest[after] - gap for after, gap in out[node])])
            if start < latest[node]:
                latest[node] = start
                changed = True
        if not changed:
            return tuple(latest)
    raise ValueError("the links contradict each other")


def horizon(network: Network) -> int:
    """A time by which an optimal schedule ends, whatever the regular objective, if there is one.

    Every instant before the end of a left-justified schedule lies before a release, or within
    ``max(duration, gaps to others)`` of a start: were one instant in no such stretch, everything
    that starts after it could start a tick sooner (shifting a suffix left keeps minimum lags
    because none is pending, and only relaxes maximum lags). So the stretches' total is enough;
    with modes, each stretch is taken over the worst of them.
    """
    stretch = [task.longest for task in network.tasks]
    for link in network.links:
        before, after = network.tasks[link.before], network.tasks[link.after]
        gap = link.between_starts(before.longest, after.shortest)
        stretch[link.before] = max(stretch[link.before], gap)
    return max((task.release for task in network.tasks), default=0) + sum(stretch)


def objective_value(network: Network, schedule: Schedule, objective: str) -> int:
    """The value of a regular objective, by the names that `hocket.solvers.project` minimises.

    Raises ValueError for an unknown name.
    """
    return evaluate(objective, network.tasks, schedule.finish(network))


class Dated(Protocol):
    """Work with dates (ticks) and a weight: a task, a job."""

    @property
    def release(self) -> int:
        """When it can begin."""

    @property
    def due(self) -> int | None:
        """When it should be done; None without a due date."""

    @property
    def weight(self) -> int:
        """What a tick of it counts."""


def evaluate(objective: str, jobs: Sequence[Dated], ends: Sequence[int]) -> int:
    """The objective for jobs done at `ends` (ticks, one per job); 0 where no job counts.

    Raises ValueError for an unknown name.
    """
    pairs = list(zip(jobs, ends, strict=True))
    if objective == "makespan":
        return max(ends, default=0)
    if objective == "total_flow_time":
        return sum(end - job.release for job, end in pairs)
    if objective == "weighted_flow_time":
        return sum(job.weight * (end - job.release) for job, end in pairs)
    late = [(job, end - job.due) for job, end in pairs if job.due is not None]
    if objective == "total_tardiness":
        return sum(max(0, lateness) for _, lateness in late)
    if objective == "weighted_tardiness":
        return sum(job.weight * max(0, lateness) for job, lateness in late)
    if objective == "max_lateness":
        return max((lateness for _, lateness in late), default=0)
    if objective == "late_jobs":
        return sum(lateness > 0 for _, lateness in late)
    raise ValueError(f"unknown objective {objective!r}")


def lower_bound(network: Network, objective: str) -> int:
    """A bound that no schedule undercuts, for any of the objectives of `objective_value`.

    Every task as early and as short as the links allow; for the makespan also `energy_bound`. The
    links of `network` hold no contradiction.
    """
    shortest = tuple(
        min(range(len(task.modes)), key=lambda k: task.modes[k].duration) for task in network.tasks
    )
    free = Schedule(windows(network).earliest, shortest)
    bound = objective_value(network, free, objective)
    return max(bound, energy_bound(network)) if objective == "makespan" else bound


def energy_bound(network: Network) -> int:
    """A bound on the makespan: resources must do all work between the heads and tails of tasks.

    For every set of tasks with a head of at least a (earliest start) and a tail of at least b (time
    from the finish to the end of the project), and every resource: a + work / capacity + b (Carlier
    & Latapie, RAIRO 25, 1991).
    """
    free = [msgspec.structs.replace(task, deadline=None) for task in network.tasks]
    network = msgspec.structs.replace(network, tasks=tuple(free))  # a deadline makes no tail
    earliest = windows(network).earliest
    end = max((e + t.shortest for e, t in zip(earliest, network.tasks, strict=True)), default=0)
    tails = _tails(network, [end - start for start in latest_starts(network, end)])
    best = 0
    for r, capacity in enumerate(network.capacity):
        users = [
            (head, tail, min(mode.duration * mode.use[r] for mode in task.modes))
            for head, tail, task in zip(earliest, tails, network.tasks, strict=True)
        ]
        users = sorted((user for user in users if user[2]), key=lambda user: -user[1])
        for least in sorted({head for head, _, _ in users}) if capacity else ():
            work = 0
            for head, tail, energy in users:
                if head >= least:
                    work += energy
                    best = max(best, least - (-work // capacity) + tail)
    return best


def _tails(network: Network, after_start: list[int]) -> list[int]:
    """The least time from every finish to the end, given that from every start (`after_start`)."""
    tails = [max(0, t - task.longest) for t, task in zip(after_start, network.tasks, strict=True)]
    for link in network.links:
        if link.since == "finish":
            gap = link.gap - (network.tasks[link.after].longest if link.of == "finish" else 0)
            tails[link.before] = max(tails[link.before], gap + after_start[link.after])
    return tails


def overdrawn(network: Network) -> Iterator[tuple[int, int]]:
    """Non-renewable resources that even the cheapest modes overdraw, and how much those need."""
    for r, stock in enumerate(network.stock):
        least = sum(min(mode.spend[r] for mode in task.modes) for task in network.tasks)
        if least > stock:
            yield r, least
