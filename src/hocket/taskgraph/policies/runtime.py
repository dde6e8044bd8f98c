"""Run-time heuristics: they look at the ready tasks only, and assign all of them at once.

The definitions are those of the DS3 simulator (Arda et al., "DS3: a system-level domain-specific
system-on-chip simulation framework", IEEE Transactions on Computers 69, 2020) as its Gym version
plays them. All ties go to the first: tasks in the order in which they became ready, processors in
the order of the scenario. Times are mean durations in ticks; luck and frequencies are not foreseen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from heapq import heapreplace
from operator import itemgetter
from typing import ClassVar

import numpy as np

from hocket.core.policy import Policy
from hocket.core.streams import Streams
from hocket.taskgraph.model.scenario import TaskGraphs
from hocket.taskgraph.planning.timetable import Slot, Spot, Timetable
from hocket.taskgraph.roles import Assign, Scheduler, Task, View

DAG = ("taskgraph/dag",)
DS3 = "Arda et al., IEEE Transactions on Computers 69 (2020)"


class MET(Policy, frozen=True):
    """Minimum execution time: the processor on which a task takes least.

    Of several, one that has room at once; then the one given the fewest tasks at this instant.
    """

    name: ClassVar[str] = "taskgraph/met"
    problems: ClassVar[tuple[str, ...]] = DAG
    source: ClassVar[str] = "Braun et al., Journal of Parallel and Distributed Computing 61 (2001)"

    def begin(self, scenario: TaskGraphs, streams: Streams) -> Scheduler:
        """See Policy.begin."""
        return _MET()


class _MET:
    def schedule(self, view: View) -> Sequence[Assign]:
        given = [0] * len(view.cores)
        return [self._assign(view, task, given) for task in view.ready]

    def _assign(self, view: View, task: Task, given: list[int]) -> Assign:
        best = min(task.durations)
        fastest = [p for p in task.able if task.durations[p] == best]
        if len(fastest) > 1:
            cores = view.cores
            free = [p for p in fastest if len(cores[p].running) < cores[p].capacity]
            chosen = min(free or fastest, key=given.__getitem__)
        else:
            chosen = fastest[0]
        given[chosen] += 1
        name = view.platform.names[chosen]
        return Assign(task, chosen, None, f"met: takes {best} on {name}, least of {len(task.able)}")


class EFT(Policy, frozen=True):
    """Earliest finish time: ready tasks in turn, each to the processor that finishes it first.

    A processor is reckoned free when what was assigned to it was reckoned to finish.
    """

    name: ClassVar[str] = "taskgraph/eft"
    problems: ClassVar[tuple[str, ...]] = DAG
    source: ClassVar[str] = DS3

    def begin(self, scenario: TaskGraphs, streams: Streams) -> Scheduler:
        """See Policy.begin."""
        return _EFT(scenario)


class ETF(Policy, frozen=True):
    """Earliest task first: repeatedly the ready task and processor that finish first of all.

    A processor is reckoned free when what was assigned to it was reckoned to finish.
    """

    name: ClassVar[str] = "taskgraph/etf"
    problems: ClassVar[tuple[str, ...]] = DAG
    source: ClassVar[str] = "Hwang et al., SIAM Journal on Computing 18 (1989), as in DS3"

    def begin(self, scenario: TaskGraphs, streams: Streams) -> Scheduler:
        """See Policy.begin."""
        return _ETF(scenario)


class Reckoning:
    """When processors will be free, reckoned when tasks are assigned and never corrected.

    `free[p]` is a heap with the time at which each place of processor p is free.
    """

    def __init__(self, scenario: TaskGraphs) -> None:
        """All processors are free."""
        self.free = [[0] * processor.capacity for processor in scenario.processors]

    def finish(self, task: Task, inputs: Sequence[int]) -> tuple[int, int]:
        """The earliest finish of a task, and the processor that gives it.

        `inputs[i]` is when its inputs are on processor ``task.able[i]``.
        """
        best, chosen = -1, -1
        for p, there in zip(task.able, inputs, strict=True):
            free = self.free[p][0]
            finish = (free if free > there else there) + task.durations[p]
            if chosen < 0 or finish < best:
                best, chosen = finish, p
        return best, chosen

    def take(self, processor: int, finish: int) -> None:
        """A task that finishes then takes the place that is free first."""
        heapreplace(self.free[processor], finish)


class _EFT:
    def __init__(self, scenario: TaskGraphs) -> None:
        self.reckoning = Reckoning(scenario)

    def schedule(self, view: View) -> Sequence[Assign]:
        answer = []
        for task in view.ready:
            inputs = [view.inputs_at(task, p) for p in task.able]
            finish, p = self.reckoning.finish(task, inputs)
            self.reckoning.take(p, finish)
            name = view.platform.names[p]
            reason = f"eft: finishes at {finish} on {name}, least of {len(task.able)}"
            answer.append(Assign(task, p, None, reason))
        return answer


class _ETF:
    def __init__(self, scenario: TaskGraphs) -> None:
        self.reckoning = Reckoning(scenario)

    def schedule(self, view: View) -> Sequence[Assign]:
        ready = list(view.ready)
        inputs = [[view.inputs_at(task, p) for p in task.able] for task in ready]
        best = [self.reckoning.finish(*pair) for pair in zip(ready, inputs, strict=True)]
        answer, pairs = [], sum(len(task.able) for task in ready)
        while ready:
            finish = min(best)[0]
            first = next(i for i, (end, _) in enumerate(best) if end == finish)
            p = best[first][1]
            self.reckoning.take(p, finish)
            reason = f"etf: finishes at {finish} on {view.platform.names[p]}, least of {pairs}"
            answer.append(Assign(ready[first], p, None, reason))
            pairs -= len(ready[first].able)
            del ready[first], inputs[first], best[first]
            # Only where the processor just taken was the best one can the best have changed.
            for i, (_, processor) in enumerate(best):
                if processor == p:
                    best[i] = self.reckoning.finish(ready[i], inputs[i])
        return answer


class STF(Policy, frozen=True):
    """Shortest time first: ready tasks by their least execution time, each where it takes that."""

    name: ClassVar[str] = "taskgraph/stf"
    problems: ClassVar[tuple[str, ...]] = DAG
    source: ClassVar[str] = DS3

    def begin(self, scenario: TaskGraphs, streams: Streams) -> Scheduler:
        """See Policy.begin."""
        return _STF()


class _STF:
    def schedule(self, view: View) -> Sequence[Assign]:
        least = sorted(view.ready, key=lambda task: min(task.durations))
        return [self._assign(view, task) for task in least]

    def _assign(self, view: View, task: Task) -> Assign:
        best = min(task.durations)
        p = task.durations.index(best)
        reason = f"stf: takes {best} on {view.platform.names[p]}, shortest first"
        return Assign(task, p, None, reason)


class HEFTRT(Policy, frozen=True):
    """HEFT at run time: ready tasks by mean duration, longest first, to the earliest finish.

    The upward rank in a graph of the ready tasks only is their mean duration. What runs on a
    processor and waits for it is reckoned by mean durations, one task after the other; inputs are
    taken to be there. The order on each processor is enforced. The released code is for processors
    that run one task at a time; here each slot of others has its own order.
    """

    name: ClassVar[str] = "taskgraph/heft-rt"
    problems: ClassVar[tuple[str, ...]] = DAG
    source: ClassVar[str] = (
        "Mack et al., IEEE Transactions on Parallel and Distributed Systems 33 (2022)"
    )

    def begin(self, scenario: TaskGraphs, streams: Streams) -> Scheduler:
        """See Policy.begin."""
        return _HEFTRT()


class _HEFTRT:
    def schedule(self, view: View) -> Sequence[Assign]:
        order = sorted(view.ready, key=_mean, reverse=True)
        return placed_in(order, view, lambda task: f"heft-rt: rank {_mean(task):g}")


def placed_in(order: Sequence[Task], view: View, say: Callable[[Task], str]) -> list[Assign]:
    """The ready tasks in this order, each to its earliest finish, as HEFT_RT does it.

    Answers in the order in which they became ready. Reasons begin with what `say` says of a task.
    """
    now, names = view.now, view.platform.names
    table = _reckoned(view)
    queued = {task.id: task for core in view.cores for task in core.queue}
    spots: dict[int, Spot] = {}
    for task in order:
        options = (table.spot(p, now, task.durations[p]) for p in task.able)
        spots[task.id] = min(options, key=itemgetter(0))
        table.put(task.id, spots[task.id])
        queued[task.id] = task
    answer = []
    for task in view.ready:
        finish, _, p, number, _ = spots[task.id]
        first = view.cores[p].running[number : number + 1]
        after = _before(task, p, first, table.slots[p][number], queued)
        answer.append(Assign(task, p, after, f"{say(task)}, finishes at {finish} on {names[p]}"))
    return answer


def _reckoned(view: View) -> Timetable:
    """What runs and what is queued; slot k of a processor begins with its k-th running task."""
    table = Timetable(view.platform.capacity, view.now)
    for p, core in enumerate(view.cores):
        slots = [Slot(task.start + task.durations[p]) for task in core.running]
        room = min(core.capacity - len(slots), max(len(core.queue), 1))
        slots += [Slot(view.now) for _ in range(room)]
        for task in core.queue:
            # From when the task before it should have finished, even if that has passed.
            slot = slots[0] if len(slots) == 1 else min(slots, key=_free)
            begin = _free(slot)
            slot.tasks.append(task.id)
            slot.starts.append(begin)
            slot.ends.append(begin + task.durations[p])
        table.slots[p] = slots
    return table


def _before(
    task: Task, p: int, running: Sequence[Task], slot: Slot, queued: Mapping[int, Task]
) -> Task | None:
    """What a task has to wait for on its slot; what takes no time needs no waiting for."""
    for i in range(slot.tasks.index(task.id) - 1, -1, -1):
        other = queued[slot.tasks[i]]
        if other.durations[p]:
            return other
    return next((other for other in running if other.durations[p]), None)


def _free(slot: Slot) -> int:
    return slot.ends[-1] if slot.ends else slot.base


def _mean(task: Task) -> float:
    return task.job.graph.mean(task.index)


class Random(Policy, frozen=True):
    """A random one of the processors that can run a task, all alike."""

    name: ClassVar[str] = "taskgraph/random"
    problems: ClassVar[tuple[str, ...]] = DAG

    def begin(self, scenario: TaskGraphs, streams: Streams) -> Scheduler:
        """See Policy.begin."""
        return _Random(streams["policy.random"])


class _Random:
    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def schedule(self, view: View) -> Sequence[Assign]:
        draws = [int(self.rng.integers(len(task.able))) for task in view.ready]
        pairs = zip(view.ready, draws, strict=True)
        return [Assign(task, task.able[i], None, "random") for task, i in pairs]


POLICIES = (MET, EFT, ETF, STF, HEFTRT, Random)
