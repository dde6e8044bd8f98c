"""The system: tasks become ready, are assigned, wait for their inputs, run, and finish.

Random numbers: streams ``arrivals`` (gaps), ``types`` and, with noise, ``job.N.durations`` for the
N-th job admitted. So two policies that admit the same jobs meet the same luck.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from heapq import heappop, heappush
from math import ceil

from hocket.core.errors import Deadlock, IllegalDecision
from hocket.core.kernel import Event, Kernel, Phase
from hocket.core.policy import Policy
from hocket.core.streams import Streams
from hocket.core.timeline import Timeline
from hocket.taskgraph.model.graph import graphs, platform
from hocket.taskgraph.model.jobs import Listed
from hocket.taskgraph.model.scenario import TaskGraphs
from hocket.taskgraph.roles import Assign, Core, Job, Scheduler, Task, View, arrival
from hocket.taskgraph.simulate.arrivals import Releases, Streaming
from hocket.taskgraph.simulate.frequency import Governors, speed


def simulate(
    scenario: TaskGraphs, policy: Policy, *, seed: int = 0, kernel: Kernel | None = None
) -> Timeline:
    """Play `policy` on the platform; the rules are in `hocket.taskgraph.simulate`.

    Spans: ``run`` (lane processor, or ``NAME.k`` for the k-th slot of one with several; group job,
    name task), ``cut`` for what runs when the horizon comes. Points: ``arrive`` and ``done`` (group
    job), ``blocked``. Gauges: ``jobs`` in the system; ``frequency`` (MHz) of processors whose
    governor is ondemand.

    Raises IllegalDecision (naming the policy), and Deadlock where no task can ever start.
    """
    streams = Streams(seed)
    decider = policy.begin(scenario, streams)
    kernel = kernel or Kernel(scenario.time_unit)
    return World(scenario, decider, policy.name, streams, kernel).run()


class _Run:
    """A task that is running: its slot, and what is left of it at the highest frequency."""

    __slots__ = ("event", "left", "since", "slot")

    def __init__(self, slot: int, left: int, since: int) -> None:
        self.slot = slot
        self.left: int | Fraction = left
        self.since = since
        self.event: Event | None = None


class World:
    """The state of the system, and the handlers of its events."""

    def __init__(
        self,
        scenario: TaskGraphs,
        decider: Scheduler,
        name: str,
        streams: Streams,
        kernel: Kernel,
    ) -> None:
        """The system before its first event."""
        self.scenario, self.policy, self.streams, self.kernel = scenario, name, streams, kernel
        self.schedule = decider.schedule
        self.platform, self.graphs = platform(scenario), graphs(scenario)
        self.cores = [Core(i, p.name, p.capacity) for i, p in enumerate(scenario.processors)]
        self.speeds = [speed(p) for p in scenario.processors]
        for core, ratio in zip(self.cores, self.speeds, strict=True):
            core.speed = float(ratio)
        self.slots = [list(range(core.capacity)) for core in self.cores]
        self.lanes = [processor.lanes for processor in scenario.processors]
        self.timeline = Timeline(
            scenario.time_unit, tuple(lane for lanes in self.lanes for lane in lanes)
        )
        self.view = View(self.platform, self.cores)
        self.ready: dict[int, Task] = {}
        self.jobs: dict[int, Job] = {}
        self.runs: dict[int, _Run] = {}
        self.luck: dict[int, float] = {}  # standard normal, by task; nothing a policy may see
        self.tasks = self.admitted = 0  # how many there have been
        self.deciding = False
        self.governors = Governors(self.cores, scenario, kernel, self._change_speed)
        listed = scenario.arrivals
        self.arrivals = (
            Releases(scenario, listed, kernel, self._admit)
            if isinstance(listed, Listed)
            else Streaming(scenario, listed, kernel, streams, self._admit, self._blocked)
        )

    def run(self) -> Timeline:
        """Play until the horizon, or until every job is done."""
        horizon = self.scenario.horizon
        if horizon is None:
            self.kernel.run()
            if self.jobs:
                self._stuck()
        elif horizon:
            self.kernel.run(until=horizon - 1)
            for core in self.cores:
                for task in core.running:
                    self._record("cut", task, horizon)
        return self.timeline

    # Jobs

    def _admit(self, kind: int) -> None:
        now = self.kernel.now
        job = Job(self.graphs[kind], self.admitted, now, self.tasks)
        self.admitted += 1
        self.tasks += len(job.tasks)
        self.jobs[job.number] = job
        self._jobs_changed()
        self.timeline.point("arrive", "", job.name, "", now)
        if self.scenario.noise:
            luck = self.streams[f"job.{job.number}.durations"].standard_normal(len(job.tasks))
            self.luck.update(enumerate(luck.tolist(), job.tasks[0].id))
        for task in job.tasks:
            if not task.missing:
                self._make_ready(task)

    def _blocked(self) -> None:
        self.timeline.point("blocked", "", "", "", self.kernel.now)

    def _done(self, job: Job) -> None:
        job.finish = self.kernel.now
        del self.jobs[job.number]
        self.view.completed += 1
        self._jobs_changed()
        self.timeline.point("done", "", job.name, "", job.finish)
        self.arrivals.departed()
        if self.arrivals.over and not self.jobs:
            self.kernel.stop()

    def _jobs_changed(self) -> None:
        self.view.jobs = list(self.jobs.values())
        self.timeline.gauge("jobs", "", self.kernel.now, len(self.jobs))

    # Tasks

    def _make_ready(self, task: Task) -> None:
        task.ready = self.kernel.now
        self.ready[task.id] = task
        self._wake()

    def _finish(self, task: Task) -> None:
        now = task.finish = self.kernel.now
        core = self.cores[task.processor]
        core.running.remove(task)
        core.busy += now - task.start
        self._record("run", task, now)
        heappush(self.slots[core.index], self.runs.pop(task.id).slot)
        job = task.job
        job.left -= 1
        for following, _ in job.graph.outputs[task.index]:
            after = job.tasks[following]
            after.missing -= 1
            if not after.missing:
                self._inputs_computed(after)
        if not job.left:
            self._done(job)
        self._wake()

    def _inputs_computed(self, task: Task) -> None:
        """All tasks before this one are done; in shared memory their results are on the way."""
        if self.platform.to_memory is None:
            self._make_ready(task)
            return
        there = max(
            source.finish + self.platform.through_memory(volume, source.processor)
            for source, volume in (
                (task.job.tasks[before], volume)
                for before, volume in task.job.graph.inputs[task.index]
            )
        )
        self.kernel.at(there, self._make_ready, task, phase=Phase.WAKE)

    def _record(self, kind: str, task: Task, end: int) -> None:
        lane = self.lanes[task.processor][self.runs[task.id].slot]
        self.timeline.span(kind, lane, task.job.name, task.name, task.start, end, task.reason)

    # Decisions

    def _wake(self) -> None:
        if not self.deciding:
            self.deciding = True
            self.kernel.after(0, self._decide, phase=Phase.DECIDE)

    def _decide(self) -> None:
        self.deciding = False
        if self.ready:
            view = self.view
            view.now = self.kernel.now
            view.ready = list(self.ready.values())
            self._assign(self.schedule(view))
        for core in self.cores:
            if core.queue and len(core.running) < core.capacity:
                self._start_on(core)

    def _assign(self, decisions: Iterable[Assign]) -> None:
        now = self.kernel.now
        for decision in decisions:
            task, processor = self._legal(decision)
            del self.ready[task.id]
            task.processor = processor
            task.after, task.reason = decision.after, decision.reason
            task.inputs_at = max(now, arrival(self.platform, task, processor, now))
            self.cores[processor].queue.append(task)
            if task.inputs_at > now:
                self.kernel.at(task.inputs_at, self._wake, phase=Phase.WAKE)

    def _legal(self, decision: Assign) -> tuple[Task, int]:
        if not isinstance(decision, Assign):
            raise IllegalDecision(
                self.policy, self.kernel.now, f"returned {decision!r:.60}", "it is no Assign"
            )
        task, processor, after = decision.task, decision.processor, decision.after
        why = ""
        if not isinstance(task, Task) or self.ready.get(task.id) is not task:
            why = "the task is not ready, or has been assigned already"
        elif processor not in task.able:
            why = f"processor {processor} cannot run it; those that can are {list(task.able)}"
        elif after is not None and (not isinstance(after, Task) or after is task):
            why = f"it cannot wait for {after!r:.60}"
        if why:
            raise IllegalDecision(self.policy, self.kernel.now, f"assigned {task!r:.60}", why)
        return task, int(processor)

    def _start_on(self, core: Core) -> None:
        now, left = self.kernel.now, []
        for i, task in enumerate(core.queue):
            if len(core.running) == core.capacity:
                left += core.queue[i:]
                break
            held = task.after is not None and task.after.finish < 0
            if held or task.inputs_at > now:
                left.append(task)
            else:
                self._start(core, task)
        core.queue[:] = left

    def _start(self, core: Core, task: Task) -> None:
        task.start = self.kernel.now
        core.running.append(task)
        run = _Run(heappop(self.slots[core.index]), self._duration(task), task.start)
        self.runs[task.id] = run
        self._schedule_finish(core, task, run)
        self.governors.wake()

    def _duration(self, task: Task) -> int:
        """The real duration at the highest frequency."""
        mean = task.durations[task.processor]
        if not self.scenario.noise or not mean:
            self.luck.pop(task.id, None)
            return mean
        return max(round(mean + self.scenario.noise * mean * self.luck.pop(task.id)), 1)

    # Frequencies

    def _schedule_finish(self, core: Core, task: Task, run: _Run) -> None:
        slower = core.speed != 1.0
        delay = ceil(run.left / self.speeds[core.index] if slower else run.left)
        run.event = self.kernel.after(delay, self._finish, task, phase=Phase.FINISH)

    def _change_speed(self, core: Core, ratio: Fraction, frequency: float) -> None:
        """What runs goes on at a new frequency."""
        now = self.kernel.now
        for task in core.running:
            run = self.runs[task.id]
            run.left = run.left - (now - run.since) * self.speeds[core.index]
            run.since = now
            if run.event is not None:
                run.event.cancel()
        self.speeds[core.index] = ratio
        core.speed = float(ratio)
        for task in core.running:
            self._schedule_finish(core, task, self.runs[task.id])
        self.timeline.gauge("frequency", core.name, now, frequency)

    def _stuck(self) -> None:
        if self.ready:
            task = next(iter(self.ready.values()))
            why = f"{task!r} is ready, and {self.policy} never assigned it"
        else:
            task = next(task for core in self.cores for task in core.queue)
            why = f"{task!r} waits on {self.cores[task.processor].name} for {task.after!r}"
        raise Deadlock(f"at {self.kernel.now}: nothing can happen any more, but {why}")
