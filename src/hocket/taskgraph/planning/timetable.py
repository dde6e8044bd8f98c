"""What each slot of each processor does when, and where a task still fits."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from hocket.taskgraph.model.graph import Graph, Platform


class Slot:
    """One of the tasks that a processor can run at once, as a list of what it does in order.

    `tasks`, `starts` and `ends` are parallel; nothing can be put before `base` (ticks).
    """

    __slots__ = ("base", "ends", "starts", "tasks")

    def __init__(self, base: int = 0) -> None:
        """A slot with nothing to do."""
        self.base = base
        self.tasks: list[int] = []
        self.starts: list[int] = []
        self.ends: list[int] = []

    def first_gap(self, there: int, duration: int) -> tuple[int, int]:
        """When a task whose inputs are `there` could start, and at which place in the order.

        The first gap that is long enough counts: the insertion of Topcuoglu et al. 2002.
        A task of no duration goes behind all that end when it would start, so that the order never
        contradicts an order in which tasks depend on one another.
        """
        ends = self.ends
        begin = there if there > self.base else self.base
        if not ends or ends[-1] <= begin:
            return begin, len(ends)
        starts = self.starts
        for i in range(bisect_right(ends, begin), len(ends)):
            end = ends[i]
            if end > begin:
                if begin + duration <= starts[i]:
                    return begin, i
                begin = end
        return begin, len(ends)

    def behind(self, there: int) -> tuple[int, int]:
        """The same behind all that is there."""
        free = self.ends[-1] if self.ends else self.base
        return (there if there > free else free), len(self.ends)


class Spot(NamedTuple):
    """Where a task can go: `processor`, its slot, the place in that slot's order; ticks."""

    finish: int
    start: int
    processor: int
    slot: int
    place: int


class Timetable:
    """The slots of all processors: ``slots[p]`` are those of processor p that have been opened.

    A processor of a large capacity opens a slot when those that are open cannot start a task at
    once; nothing starts before `now`.
    """

    __slots__ = ("capacity", "now", "slots")

    def __init__(self, capacity: Sequence[int], now: int = 0) -> None:
        """Idle processors of these capacities."""
        self.capacity = capacity
        self.now = now
        self.slots = [[Slot(now)] for _ in capacity]

    def spot(self, processor: int, there: int, duration: int, insert: bool = True) -> Spot:
        """The earliest spot on a processor for a task whose inputs are `there`."""
        slots = self.slots[processor]
        earliest = there if there > self.now else self.now
        best, chosen, at = -1, 0, 0
        for i, slot in enumerate(slots):
            start, place = slot.first_gap(earliest, duration) if insert else slot.behind(earliest)
            if best < 0 or start < best:
                best, chosen, at = start, i, place
                if start == earliest:
                    break
        if best > earliest and len(slots) < self.capacity[processor]:
            best, chosen, at = earliest, len(slots), 0
        return Spot(best + duration, best, processor, chosen, at)

    def put(self, task: int, spot: Spot) -> None:
        """Put a task where `spot` found room; opens a slot if that is to be a new one."""
        finish, start, processor, number, place = spot
        slots = self.slots[processor]
        if number == len(slots):
            slots.append(Slot(self.now))
        slot = slots[number]
        slot.tasks.insert(place, task)
        slot.starts.insert(place, start)
        slot.ends.insert(place, finish)

    def take_back(self, spot: Spot, opened: bool) -> None:
        """Undo the last `put`, which was at `spot`; `opened` tells whether it opened a slot."""
        if opened:
            self.slots[spot.processor].pop()
            return
        slot = self.slots[spot.processor][spot.slot]
        del slot.tasks[spot.place], slot.starts[spot.place], slot.ends[spot.place]


class Planned(NamedTuple):
    """A task of a plan: its number, where it runs, and from when to when (ticks)."""

    task: int
    processor: int
    start: int
    finish: int


class Draft:
    """A plan of one graph in the making.

    `where[t]` is the processor of task t, -1 until it has one, and `slot[t]` its slot there;
    `start` and `finish` are ticks. In the timetable its tasks are numbered from `first`.
    """

    __slots__ = ("finish", "first", "graph", "platform", "slot", "start", "table", "where")

    def __init__(
        self, graph: Graph, platform: Platform, table: Timetable | None = None, first: int = 0
    ) -> None:
        """Nothing is planned yet; without a timetable the platform is idle."""
        self.graph = graph
        self.platform = platform
        self.table = Timetable(platform.capacity) if table is None else table
        self.first = first
        self.where = [-1] * len(graph.tasks)
        self.slot = [0] * len(graph.tasks)
        self.start = [0] * len(graph.tasks)
        self.finish = [0] * len(graph.tasks)

    def inputs_at(self, task: int) -> list[int]:
        """When the inputs of a task would be on each processor; 0 where nothing has to come.

        Those of tasks that are not planned yet are left out.
        """
        platform, where, finish = self.platform, self.where, self.finish
        able = self.graph.able[task]
        there = [0] * len(platform.names)
        memory = platform.to_memory
        stored = 0
        for before, volume in self.graph.inputs[task]:
            source = where[before]
            if source < 0:
                continue
            done = finish[before]
            if memory is None:
                band = platform.bandwidth[source]
                for p in able:
                    rate = band[p]
                    at = done if rate is None else done + int(volume / rate)
                    if at > there[p]:
                        there[p] = at
            else:
                stored = max(stored, done + int(volume / memory[source]))
                for p in able:
                    there[p] = max(there[p], int(volume / memory[p]))
        return there if memory is None else [stored + load for load in there]

    def earliest(self, task: int) -> Spot:
        """The spot, with insertion, at which a task finishes first; ties to the first processor."""
        there, durations, spot = self.inputs_at(task), self.graph.durations[task], self.table.spot
        return min((spot(p, there[p], durations[p]) for p in self.graph.able[task]), key=_finish)

    def put(self, task: int, spot: Spot) -> None:
        """Plan a task."""
        self.table.put(self.first + task, spot)
        self.finish[task], self.start[task], self.where[task], self.slot[task], _ = spot

    def result(self) -> list[Planned]:
        """The plan by task number, once all tasks have their place."""
        columns = zip(self.where, self.start, self.finish, strict=True)
        return [Planned(task, *rest) for task, rest in enumerate(columns)]


def _finish(spot: Spot) -> int:
    return spot.finish
