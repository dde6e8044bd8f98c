"""The rules of the simulated system played tick by tick: literal, slow, without a kernel.

At every tick: tasks finish, jobs arrive, data reach memory, governors look; then, if anything has
happened, the scheduler is asked and processors walk through their queues. Tasks that take no time
finish at once, and the tick is gone through again. It shares with the simulator only the names of
the random streams, so that both meet the same luck.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

from hocket.core.streams import Streams
from hocket.core.timeline import Timeline
from hocket.taskgraph.model.jobs import Listed
from hocket.taskgraph.model.processors import Processor
from hocket.taskgraph.model.scenario import TaskGraphs


@dataclass
class Ready:
    """A ready task: mean ticks by processor (None: cannot), and (finish, processor, volume)."""

    name: str
    durations: list[int | None]
    inputs: list[tuple[int, int, float]]


@dataclass
class Look:
    """All that a scheduler may see. `cores`: names of running tasks, of queued ones, and speed."""

    now: int
    ready: list[Ready]
    cores: list[tuple[list[str], list[str], float]]
    jobs: list[tuple[str, int, int]]
    completed: int


Decide = Callable[[Look], list[tuple[str, int, str]]]
"""Pairs a ready task with a processor and, if it has to wait for it, another task."""


@dataclass(eq=False)
class Job:
    name: str
    number: int
    arrival: int
    tasks: list[OneTask] = field(default_factory=list)

    @property
    def left(self) -> int:
        return sum(task.finish is None for task in self.tasks)


@dataclass(eq=False)
class OneTask:
    job: Job
    task: str
    durations: list[int | None]
    luck: float = 0.0
    before: list[tuple[OneTask, float]] = field(default_factory=list)
    after: list[OneTask] = field(default_factory=list)
    processor: int = -1
    there: int = -1  # when its inputs are
    waits_for: OneTask | None = None
    start: int = -1
    slot: int = -1
    left: Fraction = Fraction(0)  # ticks at the highest frequency
    turn: int = 0  # of those that finish together, who comes first
    finish: int | None = None

    @property
    def name(self) -> str:
        return f"{self.job.name}/{self.task}"


class TickByTick:
    """The system at one tick."""

    def __init__(self, scenario: TaskGraphs, decide: Decide, seed: int) -> None:
        self.scenario, self.decide = scenario, decide
        self.streams = Streams(seed)
        self.processors = scenario.processors
        self.bands = {
            frozenset(link.between): link.bandwidth for link in scenario.communication.links
        }
        self.now = self.turns = self.admitted = self.completed = 0
        self.jobs: list[Job] = []
        self.ready: list[OneTask] = []
        self.on_the_way: list[tuple[int, OneTask]] = []  # results, and when they are in memory
        self.queues: list[list[OneTask]] = [[] for _ in self.processors]
        self.running: list[list[OneTask]] = [[] for _ in self.processors]
        self.frequency = [first_frequency(p) for p in self.processors]
        self.busy = [0] * len(self.processors)  # ticks of work in this sampling period
        self.attempt: int | None = 0  # when the stream next tries
        self.waiting = self.woken = False
        self.timeline = Timeline(
            scenario.time_unit, tuple(lane for p in self.processors for lane in lanes(p))
        )
        for p, processor in enumerate(self.processors):
            if processor.governor == "ondemand":
                self.timeline.gauge("frequency", processor.name, 0, self.frequency[p])

    def play(self, most: int = 20_000) -> Timeline:
        """Go from tick to tick until all jobs are done, or to the horizon."""
        horizon = self.scenario.horizon
        while self.now < (most if horizon is None else horizon):
            first = True  # time through this tick
            while first or any(task.left <= 0 for running in self.running for task in running):
                self.finish()
                if self.over():
                    return self.timeline
                self.arrive(first)
                if first:
                    self.inputs_come()
                    self.govern()
                self.reach_memory()
                if self.woken:
                    self.woken = False
                    self.ask()
                    self.start()
                first = False
            for p, running in enumerate(self.running):
                self.busy[p] += len(running)
                for task in running:
                    task.left -= self.speed(p)
            self.now += 1
        assert horizon is not None, f"not everything is done by {most}"
        for running in self.running:
            for task in running:
                self.record("cut", task, self.now)
        return self.timeline

    # What happens, in this order

    def finish(self) -> None:
        due = [task for running in self.running for task in running if task.left <= 0]
        for task in sorted(due, key=lambda task: task.turn):
            self.woken = True
            task.finish = self.now
            self.running[task.processor].remove(task)
            self.record("run", task, self.now)
            for following in task.after:
                if all(before.finish is not None for before, _ in following.before):
                    self.computed(following)
            if not task.job.left:
                self.jobs.remove(task.job)
                self.completed += 1
                self.timeline.gauge("jobs", "", self.now, len(self.jobs))
                self.timeline.point("done", "", task.job.name, "", self.now)
                if self.waiting:
                    self.waiting, self.attempt = False, self.now

    def computed(self, task: OneTask) -> None:
        """Everything before a task is done."""
        if self.scenario.communication.mode == "direct":
            self.ready.append(task)
            return
        there = [(b.finish or 0) + self.memory(volume, b.processor) for b, volume in task.before]
        self.on_the_way.append((max(there), task))

    def over(self) -> bool:
        """Whether every job that will ever come is done."""
        arrivals = self.scenario.arrivals
        if isinstance(arrivals, Listed):
            expected: int | None = len(self.releases())
        else:
            expected = arrivals.jobs
        return not self.jobs and self.admitted == expected

    def releases(self) -> list[tuple[str, int]]:
        arrivals = self.scenario.arrivals
        assert isinstance(arrivals, Listed)
        listed = [(release.type, release.time) for release in arrivals.jobs]
        return listed or [(kind.name, 0) for kind in self.scenario.types]

    def arrive(self, first: bool) -> None:
        arrivals = self.scenario.arrivals
        if isinstance(arrivals, Listed):
            for kind, time in self.releases() if first else ():
                if time == self.now:
                    self.admit(kind)
            return
        if arrivals.prefill and not self.admitted and self.attempt == self.now == 0:
            assert arrivals.capacity is not None
            for _ in range(min(arrivals.capacity, arrivals.jobs or arrivals.capacity)):
                self.admit(self.draw_type())
            self.attempt = self.draw_gap(0)
        while self.attempt == self.now and self.admitted != arrivals.jobs:
            if arrivals.capacity is None or len(self.jobs) < arrivals.capacity:
                self.admit(self.draw_type())
                self.attempt = self.draw_gap(0) if self.admitted != arrivals.jobs else None
                continue
            self.timeline.point("blocked", "", "", "", self.now)
            if arrivals.when_full == "retry":
                self.attempt = self.draw_gap(1)
            else:
                self.waiting, self.attempt = True, None

    def draw_gap(self, more: int) -> int:
        arrivals = self.scenario.arrivals
        assert not isinstance(arrivals, Listed)
        if arrivals.gaps == "constant":
            return self.now + int(arrivals.gap) + more
        return self.now + int(self.streams["arrivals"].exponential(arrivals.gap)) + more

    def draw_type(self) -> str:
        share = self.streams["types"].random() * sum(kind.weight for kind in self.scenario.types)
        reached = 0.0
        for kind in self.scenario.types:
            reached += kind.weight
            if share < reached:
                return kind.name
        return self.scenario.types[-1].name

    def admit(self, kind: str) -> None:
        chosen = next(one for one in self.scenario.types if one.name == kind)
        job = Job(f"{kind}#{self.admitted}", self.admitted, self.now)
        self.admitted += 1
        self.jobs.append(job)
        named = {}
        for task in chosen.tasks:
            able = [p.functions.get(task.runs) for p in self.processors]
            one = OneTask(job, task.name, [f.duration if f else None for f in able])
            named[task.name] = one
            job.tasks.append(one)
        for task in chosen.tasks:  # in the order of the tasks, however edges are listed
            for other in chosen.tasks:
                for edge in chosen.edges:
                    if (edge.source, edge.target) == (task.name, other.name):
                        named[task.name].after.append(named[other.name])
                        named[other.name].before.append((named[task.name], edge.volume))
        if self.scenario.noise:
            luck = self.streams[f"job.{job.number}.durations"].standard_normal(len(job.tasks))
            for one, value in zip(job.tasks, luck, strict=True):
                one.luck = float(value)
        self.timeline.gauge("jobs", "", self.now, len(self.jobs))
        self.timeline.point("arrive", "", job.name, "", self.now)
        self.ready += [task for task in job.tasks if not task.before]
        self.woken = True

    def inputs_come(self) -> None:
        """Tasks that were waiting for their inputs may start."""
        if any(task.there == self.now for queue in self.queues for task in queue):
            self.woken = True

    def reach_memory(self) -> None:
        for there, task in list(self.on_the_way):
            if there == self.now:
                self.on_the_way.remove((there, task))
                self.ready.append(task)
                self.woken = True

    def govern(self) -> None:
        """What `ondemand` does, by the last period."""
        sampling = self.scenario.sampling
        if not self.now or self.now % sampling.period:
            return
        for p, processor in enumerate(self.processors):
            used, self.busy[p] = self.busy[p] / sampling.period, 0
            if processor.governor != "ondemand":
                continue
            known = sorted(point.frequency for point in processor.points)
            at = known.index(self.frequency[p])
            if used > sampling.high:
                chosen = known[-1]
            elif used < sampling.low:
                chosen = known[max(0, at - 1)]
            else:
                chosen = known[at]
            if chosen != self.frequency[p]:
                self.frequency[p] = chosen
                self.timeline.gauge("frequency", processor.name, self.now, chosen)
                for task in self.running[p]:
                    self.turns += 1
                    task.turn = self.turns

    # Decisions

    def ask(self) -> None:
        if not self.ready:
            return
        named = {task.name: task for task in self.ready}
        everyone = {task.name: task for job in self.jobs for task in job.tasks}
        for name, p, after in self.decide(self.look()):
            task = named[name]
            self.ready.remove(task)
            task.processor = p
            task.waits_for = everyone.get(after)
            task.there = self.now
            for before, volume in task.before:
                if self.scenario.communication.mode == "direct":
                    there = (before.finish or 0) + self.direct(volume, before.processor, p)
                else:
                    there = self.now + self.memory(volume, p)
                task.there = max(task.there, there)
            self.queues[p].append(task)

    def look(self) -> Look:
        return Look(
            now=self.now,
            ready=[
                Ready(
                    task.name,
                    task.durations,
                    sorted((b.finish or 0, b.processor, volume) for b, volume in task.before),
                )
                for task in self.ready
            ],
            cores=[
                ([t.name for t in running], [t.name for t in queue], float(self.speed(p)))
                for p, (running, queue) in enumerate(zip(self.running, self.queues, strict=True))
            ],
            jobs=[(job.name, job.arrival, job.left) for job in self.jobs],
            completed=self.completed,
        )

    def start(self) -> None:
        for p, queue in enumerate(self.queues):
            for task in list(queue):
                room = len(self.running[p]) < self.processors[p].capacity
                held = task.waits_for is not None and task.waits_for.finish is None
                if room and task.there <= self.now and not held:
                    queue.remove(task)
                    taken = {other.slot for other in self.running[p]}
                    task.slot = min(set(range(len(taken) + 1)) - taken)
                    task.start = self.now
                    task.left = Fraction(self.duration(task))
                    self.turns += 1
                    task.turn = self.turns
                    self.running[p].append(task)

    def duration(self, task: OneTask) -> int:
        mean = task.durations[task.processor]
        assert mean is not None
        if not mean or not self.scenario.noise:
            return mean
        return max(1, round(mean + self.scenario.noise * mean * task.luck))

    # Platform

    def speed(self, p: int) -> Fraction:
        points = self.processors[p].points
        highest = max((point.frequency for point in points), default=1.0)
        return Fraction(self.frequency[p]) / Fraction(highest)

    def direct(self, volume: float, source: int, target: int) -> int:
        pair = frozenset((self.processors[source].name, self.processors[target].name))
        default = None if source == target else self.scenario.communication.default
        band = self.bands.get(pair, default)
        return int(volume / band) if band else 0

    def memory(self, volume: float, p: int) -> int:
        talk = self.scenario.communication
        return int(volume / talk.memory.get(self.processors[p].name, talk.default or 0.0))

    def record(self, kind: str, task: OneTask, end: int) -> None:
        lane = lanes(self.processors[task.processor])[task.slot]
        self.timeline.span(kind, lane, task.job.name, task.task, task.start, end)


def lanes(processor: Processor) -> list[str]:
    """A lane for each slot."""
    if processor.capacity == 1:
        return [processor.name]
    return [f"{processor.name}.{k}" for k in range(processor.capacity)]


def first_frequency(processor: Processor) -> float:
    """At time 0; 1 without operating points."""
    known = [point.frequency for point in processor.points] or [1.0]
    if processor.governor == "constant":
        assert processor.frequency is not None
        return processor.frequency
    return min(known) if processor.governor == "powersave" else max(known)
