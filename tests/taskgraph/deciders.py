"""Schedulers as plain functions of a `Look`, for the oracle, and what lets the simulator use them.

They compute everything from the scenario as it is written: transfers, available times, ties.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hocket.core.streams import Streams
from hocket.taskgraph.model.scenario import TaskGraphs
from hocket.taskgraph.roles import Assign, Task, View
from tests.taskgraph.oracle import Look, Ready

Answer = list[tuple[str, int, str]]


class MinimumExecution:
    """MET: the fastest processor; of several an idle one, then the one given least now."""

    def __init__(self, scenario: TaskGraphs) -> None:
        self.room = [processor.capacity for processor in scenario.processors]

    def __call__(self, look: Look) -> Answer:
        given = [0] * len(self.room)
        answer = []
        for task in look.ready:
            known = [ticks for ticks in task.durations if ticks is not None]
            fastest = [p for p, ticks in enumerate(task.durations) if ticks == min(known)]
            idle = [p for p in fastest if len(look.cores[p][0]) < self.room[p]]
            p = min(idle or fastest, key=lambda p: (given[p], p))
            given[p] += 1
            answer.append((task.name, p, ""))
        return answer


class _Reckoning:
    """When each place of each processor is free, by mean durations; and when inputs come."""

    def __init__(self, scenario: TaskGraphs) -> None:
        self.free = [[0] * processor.capacity for processor in scenario.processors]
        talk = scenario.communication
        self.shared = talk.mode == "shared-memory"
        self.names = [processor.name for processor in scenario.processors]
        self.memory = [talk.memory.get(name, talk.default or 0.0) for name in self.names]
        self.bands = {frozenset(link.between): link.bandwidth for link in talk.links}
        self.default = talk.default

    def _arrives(self, now: int, source: tuple[int, int, float], p: int) -> int:
        finish, q, volume = source
        if self.shared:
            return now + int(volume / self.memory[p])
        band = self.bands.get(
            frozenset((self.names[q], self.names[p])), None if p == q else self.default
        )
        return finish + (int(volume / band) if band else 0)

    def finish(self, now: int, task: Ready, p: int) -> int:
        ticks = task.durations[p]
        assert ticks is not None
        inputs = max([now, *(self._arrives(now, source, p) for source in task.inputs)])
        return max(inputs, min(self.free[p])) + ticks

    def take(self, p: int, finish: int) -> None:
        place = self.free[p].index(min(self.free[p]))
        self.free[p][place] = finish

    def best(self, now: int, task: Ready) -> tuple[int, int]:
        able = [p for p, ticks in enumerate(task.durations) if ticks is not None]
        return min((self.finish(now, task, p), p) for p in able)


class EarliestFinish(_Reckoning):
    """EFT: ready tasks in turn, each to where it is reckoned to finish first."""

    def __call__(self, look: Look) -> Answer:
        answer = []
        for task in look.ready:
            finish, p = self.best(look.now, task)
            self.take(p, finish)
            answer.append((task.name, p, ""))
        return answer


class EarliestTask(_Reckoning):
    """ETF: of all ready tasks and processors the pair that is reckoned to finish first."""

    def __call__(self, look: Look) -> Answer:
        left, answer = list(look.ready), []
        while left:
            # Of pairs that finish together the first task wins, on its first processor.
            best = [self.best(look.now, task) for task in left]
            finish, i, p = min((finish, i, p) for i, (finish, p) in enumerate(best))
            self.take(p, finish)
            answer.append((left.pop(i).name, p, ""))
        return answer


class Whim:
    """Anything that is allowed: any order, any processor, waiting for others, leaving tasks out."""

    def __init__(self, scenario: TaskGraphs, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.assigned: list[str] = []

    def __call__(self, look: Look) -> Answer:
        busy = any(running or queue for running, queue, _ in look.cores)
        answer = []
        for i in self.rng.permutation(len(look.ready)).tolist():
            task = look.ready[i]
            if busy and self.rng.random() < 0.2:
                continue
            able = [p for p, ticks in enumerate(task.durations) if ticks is not None]
            p = able[int(self.rng.integers(len(able)))]
            after = ""
            if self.assigned and self.rng.random() < 0.3:
                after = self.assigned[-int(self.rng.integers(1, min(4, len(self.assigned)) + 1))]
            answer.append((task.name, p, after))
        self.assigned += [name for name, _, _ in answer]
        return answer


DECIDERS: dict[str, Any] = {
    "met": MinimumExecution,
    "eft": EarliestFinish,
    "etf": EarliestTask,
    "whim": Whim,
}


class Adapted:
    """A policy for the simulator that does what such a function says, and keeps what it saw."""

    name = "taskgraph/adapted"

    def __init__(self, decide: Any) -> None:
        self.decide = decide
        self.seen: list[Look] = []
        self.known: dict[str, Task] = {}

    def begin(self, scenario: TaskGraphs, streams: Streams) -> Adapted:
        return self

    def schedule(self, view: View) -> list[Assign]:
        self.known |= {repr(task): task for task in view.ready}
        inside = {repr(task) for job in view.jobs for task in job.tasks}
        look = seen_by(view)
        self.seen.append(look)
        return [
            Assign(self.known[name], p, self.known[after] if after in inside else None)
            for name, p, after in self.decide(look)
        ]


def seen_by(view: View) -> Look:
    """A view as plain data."""
    return Look(
        now=view.now,
        ready=[
            Ready(
                repr(task),
                [d if p in task.able else None for p, d in enumerate(task.durations)],
                sorted(
                    (task.job.tasks[b].finish, task.job.tasks[b].processor, volume)
                    for b, volume in task.job.graph.inputs[task.index]
                ),
            )
            for task in view.ready
        ],
        cores=[
            ([repr(t) for t in core.running], [repr(t) for t in core.queue], core.speed)
            for core in view.cores
        ],
        jobs=[(job.name, job.arrival, job.left) for job in view.jobs],
        completed=view.completed,
    )
