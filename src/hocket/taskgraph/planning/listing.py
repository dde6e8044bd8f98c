"""List schedulers: they give every task of a graph a processor and a time before anything runs.

All ties go to the lowest number, of tasks and then of processors. Each method is a function that
plans the tasks of a `Draft`; `plan` and `makespan` start from an idle platform.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from operator import itemgetter

from hocket.core.errors import UnknownName
from hocket.taskgraph.model.graph import Graph, Platform
from hocket.taskgraph.planning.ranks import (
    adjusted_median,
    downward_ranks,
    mean_delays,
    optimistic_costs,
    static_levels,
    upward_ranks,
)
from hocket.taskgraph.planning.timetable import Draft, Planned, Spot

Method = Callable[[Draft], None]


def plan(graph: Graph, platform: Platform, method: str = "heft") -> list[Planned]:
    """The schedule of one graph on an idle platform, by task number.

    `method` is a key of `METHODS`; raises UnknownName for another. Without noise, and at constant
    frequency, the simulator plays exactly these times.
    """
    draft = Draft(graph, platform)
    _method(method)(draft)
    return draft.result()


def makespan(graph: Graph, platform: Platform, method: str = "heft") -> int:
    """When the last task of `plan` finishes (ticks)."""
    draft = Draft(graph, platform)
    _method(method)(draft)
    return max(draft.finish)


def _method(name: str) -> Method:
    if name not in METHODS:
        raise UnknownName("method", name, METHODS)
    return METHODS[name]


def heft(draft: Draft) -> None:
    """HEFT: by falling upward rank, to where a task finishes first, gaps included.

    Topcuoglu, Hariri, Wu, IEEE Transactions on Parallel and Distributed Systems 13 (2002).
    """
    for task in by_upward_rank(draft.graph, draft.platform):
        draft.put(task, draft.earliest(task))


def by_upward_rank(graph: Graph, platform: Platform) -> list[int]:
    """The tasks by falling upward rank, which is a topological order."""
    rank = upward_ranks(graph, platform)
    return sorted(graph.order, key=rank.__getitem__, reverse=True)


def cpop(draft: Draft) -> None:
    """CPOP: the critical path goes to one processor, the others to where they finish first.

    Of the ready tasks, the one on the longest path through the graph comes next. The processor of
    the critical path is the one that takes least for it. Where none can run all of it, as on
    accelerators, it is the one that can run most of its tasks, and the others of them are placed
    like those that are not critical. Topcuoglu et al. 2002.
    """
    graph, platform = draft.graph, draft.platform
    up, down = upward_ranks(graph, platform), downward_ranks(graph, platform)
    priority = [u + d for u, d in zip(up, down, strict=True)]
    critical = critical_path(graph, platform, up)
    home = min(range(len(platform.names)), key=lambda p: _strain(graph, critical, p))
    on_path = set(critical)
    for task in _by_priority(graph, priority):
        duration = graph.durations[task][home]
        if task in on_path and home in graph.able[task]:
            there = draft.inputs_at(task)[home]
            draft.put(task, draft.table.spot(home, there, duration))
        else:
            draft.put(task, draft.earliest(task))


def critical_path(graph: Graph, platform: Platform, up: list[float]) -> list[int]:
    """A longest path, from the first task of the highest upward rank `up` to the end."""
    delay = mean_delays(platform)
    entries = [task for task, inputs in enumerate(graph.inputs) if not inputs]
    task = max(entries, key=up.__getitem__)
    path = [task]
    while graph.outputs[task]:
        task, _ = max(graph.outputs[task], key=lambda edge: delay(edge[1]) + up[edge[0]])
        path.append(task)
    return path


def _strain(graph: Graph, tasks: list[int], p: int) -> tuple[int, int]:
    """How many of these tasks a processor cannot run, and ticks for those that it can."""
    times = [graph.durations[task][p] for task in tasks if p in graph.able[task]]
    return len(tasks) - len(times), sum(times)


def peft(draft: Draft) -> None:
    """PEFT: by falling mean optimistic cost, to where finish plus optimistic cost is least.

    Arabnejad, Barbosa, IEEE Transactions on Parallel and Distributed Systems 25 (2014).
    """
    graph, table = draft.graph, draft.table
    costs = optimistic_costs(graph, draft.platform)
    means = [
        sum(row[p] for p in able) / len(able) for row, able in zip(costs, graph.able, strict=True)
    ]
    for task in _by_priority(graph, means):
        there, durations, cost = draft.inputs_at(task), graph.durations[task], costs[task]
        spots = [table.spot(p, there[p], durations[p]) for p in graph.able[task]]
        draft.put(task, min(spots, key=lambda spot: spot.finish + cost[spot.processor]))


def _by_priority(graph: Graph, priority: list[float]) -> Iterator[int]:
    """Tasks as a list of the ready ones yields them, the highest priority first."""
    missing = [len(inputs) for inputs in graph.inputs]
    ready: list[tuple[float, int]] = []
    for task, count in enumerate(missing):
        if not count:
            heappush(ready, (-priority[task], task))
    while ready:
        _, task = heappop(ready)
        yield task
        for after, _ in graph.outputs[task]:
            missing[after] -= 1
            if not missing[after]:
                heappush(ready, (-priority[after], after))


def lookahead_heft(draft: Draft) -> None:
    """Lookahead HEFT: HEFT, but to where the last of a task's children would finish first.

    For each processor the children are placed by HEFT on trial, in order of rank; inputs of theirs
    that are not planned yet are left out. Ties, and tasks without children, go by the task's own
    finish. Bittencourt, Sakellariou, Madeira, Euromicro PDP 2010.
    """
    graph, table = draft.graph, draft.table
    order = by_upward_rank(graph, draft.platform)
    position = {task: i for i, task in enumerate(order)}
    for task in order:
        children = sorted((after for after, _ in graph.outputs[task]), key=position.__getitem__)
        there, durations = draft.inputs_at(task), graph.durations[task]
        spots = [table.spot(p, there[p], durations[p]) for p in graph.able[task]]
        draft.put(task, min(spots, key=lambda spot: _outlook(draft, task, children, spot)))


def _outlook(draft: Draft, task: int, children: list[int], spot: Spot) -> tuple[int, int]:
    """When the last of `children` would finish if `task` went to `spot`, and when `task` would."""
    if not children:
        return spot.finish, spot.finish
    trial: list[tuple[int, Spot, bool]] = []
    last = 0
    for which in (task, *children):
        where = draft.earliest(which) if trial else spot
        trial.append((which, where, where.slot == len(draft.table.slots[where.processor])))
        draft.put(which, where)
        if which != task:
            last = max(last, where.finish)
    for which, where, opened in reversed(trial):
        draft.table.take_back(where, opened)
        draft.where[which] = -1
    return last, spot.finish


Offer = tuple[float, Spot]


class _Ready:
    """Ready tasks, each with its best offer: a cost, and the spot that has it.

    Tasks only ever go behind what is there, so that an offer can have changed only if its processor
    was given something since.
    """

    def __init__(self, draft: Draft, cost: Callable[[int, Spot], float]) -> None:
        self.draft, self.cost = draft, cost
        self.missing = [len(inputs) for inputs in draft.graph.inputs]
        self.there: dict[int, list[int]] = {}
        self.offers: dict[int, Offer] = {}
        self.tasks: list[int] = []
        for task, count in enumerate(self.missing):
            if not count:
                self._add(task)

    def _add(self, task: int) -> None:
        insort(self.tasks, task)
        self.there[task] = self.draft.inputs_at(task)
        self.offers[task] = self._best(task)

    def _best(self, task: int) -> Offer:
        there, durations = self.there[task], self.draft.graph.durations[task]
        spots = [
            self.draft.table.spot(p, there[p], durations[p], insert=False)
            for p in self.draft.graph.able[task]
        ]
        return min(((self.cost(task, spot), spot) for spot in spots), key=itemgetter(0))

    def place(self, task: int) -> None:
        """Put a task where its best offer is."""
        _, spot = self.offers.pop(task)
        self.tasks.remove(task)
        del self.there[task]
        self.draft.put(task, spot)
        for other in self.tasks:
            if self.offers[other][1].processor == spot.processor:
                self.offers[other] = self._best(other)
        for after, _ in self.draft.graph.outputs[task]:
            self.missing[after] -= 1
            if not self.missing[after]:
                self._add(after)


def dls(draft: Draft) -> None:
    """DLS: repeatedly the ready task and processor of the highest dynamic level.

    That is ``SL(t) - start(t, p) + E*(t) - duration(t, p)``: static level, and how much faster than
    the adjusted median the processor is. Nothing is inserted into gaps. Sih, Lee, IEEE Transactions
    on Parallel and Distributed Systems 4 (1993).
    """
    graph = draft.graph
    level = static_levels(graph)
    level = [level[task] + adjusted_median(graph, task) for task in range(len(level))]
    ready = _Ready(draft, lambda task, spot: spot.finish - level[task])
    while ready.tasks:
        ready.place(min(ready.tasks, key=lambda task: ready.offers[task][0]))


def min_min(draft: Draft) -> None:
    """Min-min: of the earliest finishes of the ready tasks, repeatedly the least.

    Ibarra, Kim, Journal of the ACM 24 (1977); named by Maheswaran et al., Journal of Parallel and
    Distributed Computing 59 (1999).
    """
    ready = _Ready(draft, lambda task, spot: spot.finish)
    while ready.tasks:
        ready.place(min(ready.tasks, key=lambda task: ready.offers[task][0]))


def max_min(draft: Draft) -> None:
    """Max-min: of the earliest finishes of the ready tasks, repeatedly the greatest.

    Ibarra, Kim 1977; Maheswaran et al. 1999.
    """
    ready = _Ready(draft, lambda task, spot: spot.finish)
    while ready.tasks:
        ready.place(max(ready.tasks, key=lambda task: ready.offers[task][0]))


METHODS: dict[str, Method] = {
    "heft": heft,
    "cpop": cpop,
    "peft": peft,
    "lookahead-heft": lookahead_heft,
    "dls": dls,
    "min-min": min_min,
    "max-min": max_min,
}
"""The list schedulers by name."""
