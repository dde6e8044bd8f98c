"""The role of a task-graph scheduler: what it sees when tasks are ready, and what it answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from hocket.taskgraph.model.graph import Graph, Platform


class Task:
    """A task of a job in the system. Read-only for policies. Times are ticks, -1 before they are.

    - `job`, `index`: its job, and its number in the job's graph; `id`: a number of its own
    - `durations[p]`: mean ticks on processor p, NEVER if p cannot run it; `able`: those that can
    - `ready`: when it became ready; `processor`: where it was assigned to
    - `inputs_at`: when its inputs are there; `start`, `finish`: of its execution
    - `missing`: how many of the tasks before it are not done, or on their way to memory
    """

    __slots__ = (
        "able",
        "after",
        "durations",
        "finish",
        "id",
        "index",
        "inputs_at",
        "job",
        "missing",
        "processor",
        "ready",
        "reason",
        "start",
    )

    def __init__(self, job: Job, index: int, number: int) -> None:
        """A task that nothing has happened to."""
        self.job = job
        self.index = index
        self.id = number
        self.durations = job.graph.durations[index]
        self.able = job.graph.able[index]
        self.missing = len(job.graph.inputs[index])
        self.ready = self.processor = self.inputs_at = self.start = self.finish = -1
        self.after: Task | None = None
        self.reason = ""

    @property
    def name(self) -> str:
        """Its name in the graph."""
        return self.job.graph.tasks[self.index]

    def __repr__(self) -> str:
        return f"{self.job.name}/{self.name}"


class Job:
    """A job in the system: `number` counts admissions, `arrival` is when it came (ticks).

    `left` counts the tasks that are not done; `finish` is when the last one was, -1 before.
    """

    __slots__ = ("arrival", "finish", "graph", "left", "name", "number", "tasks")

    def __init__(self, graph: Graph, number: int, arrival: int, first: int) -> None:
        """A job that has just been admitted; its tasks are numbered from `first`."""
        self.graph = graph
        self.number = number
        self.arrival = arrival
        self.finish = -1
        self.left = len(graph.tasks)
        self.name = f"{graph.name}#{number}"
        self.tasks = [Task(self, t, first + t) for t in range(self.left)]


class Core:
    """The state of a processor, read-only for policies.

    - `index`, `name`, `capacity`
    - `running`: the tasks that it runs now, in order of start
    - `queue`: tasks assigned to it that have not started, in order of assignment
    - `busy`: ticks that it has spent running tasks, summed over its capacity, up to the last start
      or finish
    - `speed`: present frequency over the highest one
    """

    __slots__ = ("busy", "capacity", "index", "name", "queue", "running", "speed")

    def __init__(self, index: int, name: str, capacity: int) -> None:
        """An idle processor."""
        self.index = index
        self.name = name
        self.capacity = capacity
        self.running: list[Task] = []
        self.queue: list[Task] = []
        self.busy = 0
        self.speed = 1.0


class Assign(NamedTuple):
    """Run `task` on processor number `processor`, not before task `after` is done.

    `reason` travels to the report. Tasks start in the order in which they were assigned, as far as
    their inputs are there; `after` enforces a planned order.
    """

    task: Task
    processor: int
    after: Task | None = None
    reason: str = ""


class Scheduler(Protocol):
    """The role. Called whenever tasks are ready that no processor has been given."""

    def schedule(self, view: View) -> Iterable[Assign]:
        """Assign ready tasks, for good; the order matters. A task that is left out stays ready.

        It is offered again as soon as anything else happens in the system.
        """


class View:
    """The state of a system as a policy may know it. Everything is read-only.

    - `now`: the time in ticks
    - `ready`: the tasks to be assigned, in the order in which they became ready
    - `jobs`: the jobs in the system, in order of admission
    - `cores`: the processors
    - `platform`: capacities and bandwidths
    - `completed`: how many jobs have been completed

    Real durations are not known in advance; future arrivals neither.
    """

    __slots__ = ("completed", "cores", "jobs", "now", "platform", "ready")

    def __init__(self, platform: Platform, cores: list[Core]) -> None:
        """The view of an empty system."""
        self.now = 0
        self.ready: list[Task] = []
        self.jobs: list[Job] = []
        self.cores = cores
        self.platform = platform
        self.completed = 0

    def inputs_at(self, task: Task, processor: int) -> int:
        """When the inputs of a ready task would be on a processor; never before `now`.

        A ready task's inputs are computed, and in memory if that is shared.
        """
        return max(self.now, arrival(self.platform, task, processor, self.now))


def arrival(platform: Platform, task: Task, processor: int, now: int) -> int:
    """When the last input of a ready task reaches a processor to which it is assigned `now`."""
    latest = 0
    tasks = task.job.tasks
    for before, volume in task.job.graph.inputs[task.index]:
        if platform.to_memory is None:
            source = tasks[before]
            there = source.finish + platform.transfer(volume, source.processor, processor)
        else:
            there = now + platform.through_memory(volume, processor)
        latest = max(latest, there)
    return latest
