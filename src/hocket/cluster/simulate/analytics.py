"""The shared application: jobs come, their stages are queued, cores take their tasks one by one.

Nothing here is drawn at random; a policy may draw from streams ``policy...``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from heapq import heappop, heappush
from typing import NoReturn

from hocket.cluster.model.analytics import MOST_TASKS, Analytics
from hocket.cluster.model.analytics import Job as Submitted
from hocket.cluster.roles.analytics import JobState, Ordering, StageState, View
from hocket.cluster.sharing.partition import cut
from hocket.core.errors import Deadlock, IllegalDecision
from hocket.core.kernel import Kernel, Phase
from hocket.core.policy import Policy
from hocket.core.streams import Streams
from hocket.core.timeline import Timeline


def simulate(
    scenario: Analytics, policy: Policy, *, seed: int = 0, kernel: Kernel | None = None
) -> Timeline:
    """Play `policy` on the cores; rules and records are in `hocket.cluster.simulate`.

    Raises IllegalDecision (naming the policy), and Deadlock where it leaves a stage out for ever.
    """
    decider = policy.begin(scenario, Streams(seed))
    kernel = kernel or Kernel(scenario.time_unit)
    return World(scenario, decider, policy.name, kernel).run()


class _Stage:
    """What the policy does not see of a stage: its tasks."""

    __slots__ = ("left", "next", "state", "ticks")

    def __init__(self, state: StageState, ticks: tuple[int, ...]) -> None:
        self.state, self.ticks = state, ticks
        self.next, self.left = 0, len(ticks)  # the next task to start, tasks that are not done


class _Job:
    """What the policy does not see of a job: the order of its stages, and where it comes from."""

    __slots__ = ("followers", "index", "missing", "source", "state")

    def __init__(self, index: int, source: Submitted, state: JobState) -> None:
        self.index, self.source, self.state = index, source, state
        before = [set(stage.after) for stage in source.stages]
        self.missing = [len(numbers) for numbers in before]
        self.followers: list[list[int]] = [[] for _ in before]
        for stage, numbers in enumerate(before):
            for number in sorted(numbers):
                self.followers[number].append(stage)


class World:
    """The state of the application, and the handlers of its events."""

    def __init__(self, scenario: Analytics, decider: Ordering, name: str, kernel: Kernel) -> None:
        """The application before its first event."""
        self.scenario, self.decider, self.policy, self.kernel = scenario, decider, name, kernel
        self.lanes = tuple(f"core.{k}" for k in range(scenario.cores))
        self.timeline = Timeline(scenario.time_unit, self.lanes)
        self.view = View(scenario.cores)
        self.cores = list(range(scenario.cores))  # a heap of those that are free
        self.following: dict[str, list[int]] = {}
        for index, job in enumerate(scenario.jobs):
            self.following.setdefault(job.after, []).append(index)
        self.due: list[tuple[int, int]] = []  # a heap of (time, index) of jobs to be submitted
        self.coming: list[tuple[int, int, int]] = []  # of (time, job, stage) to the driver
        self.line: deque[tuple[_Job, int]] = deque()  # of stages that the driver takes
        self.driven = 0  # when the driver is through with all of them
        self.jobs: list[_Job] = []
        self.stages: list[_Stage] = []
        self.waiting: dict[int, StageState] = {}
        self.left = len(scenario.jobs)
        self.deciding = False

    def run(self) -> Timeline:
        """Play until every job is done."""
        for index in self.following.get("", ()):
            self._expect(self.scenario.jobs[index].arrival, index)
        self.kernel.run()
        if self.left:
            stage = next(iter(self.waiting.values()))
            raise Deadlock(
                f"at {self.kernel.now}: nothing can happen any more, but {stage!r} has "
                f"{stage.waiting} tasks waiting, and {self.policy} leaves it out"
            )
        return self.timeline

    # Jobs

    def _expect(self, time: int, index: int) -> None:
        heappush(self.due, (time, index))
        self.kernel.at(time, self._submit, phase=Phase.ARRIVE)

    def _submit(self) -> None:
        """Submit the first of the jobs that are due: at one tick in the order of the scenario."""
        now, index = heappop(self.due)
        source = self.scenario.jobs[index]
        number = len(self.jobs)
        state = JobState(number, source.name, source.user, source.kind, now, len(source.stages))
        job = _Job(index, source, state)
        self.jobs.append(job)
        self.view.jobs.append(state)
        self.timeline.point("submit", "", source.name, source.user, now)
        for stage, missing in enumerate(job.missing):
            if not missing:
                self._delay(self.scenario.overheads.job, job, stage)

    def _done(self, job: _Job) -> None:
        now = job.state.finish = self.kernel.now
        self.view.jobs.remove(job.state)
        self.left -= 1
        self.timeline.point("done", "", job.source.name, "", now)
        for index in self.following.get(job.source.name, ()):
            follower = self.scenario.jobs[index]
            self._expect(max(follower.arrival, now + follower.think), index)

    # Stages

    def _delay(self, overhead: int, job: _Job, stage: int) -> None:
        time = self.kernel.now + overhead
        heappush(self.coming, (time, job.state.number, stage))
        self.kernel.at(time, self._drive, phase=Phase.WAKE)

    def _drive(self) -> None:
        """The first of the stages that come gets in line: at one tick in the order of jobs."""
        now, number, index = heappop(self.coming)
        self.line.append((self.jobs[number], index))
        self.driven = max(self.driven, now) + self.scenario.overheads.driver
        if self.driven == now:
            self._queue()
        else:
            self.kernel.at(self.driven, self._queue, phase=Phase.WAKE)

    def _queue(self) -> None:
        """Queue the first of the stages in line."""
        now = self.kernel.now
        job, index = self.line.popleft()
        source = job.source.stages[index]
        state = StageState(
            len(self.stages), job.state, index, now, len(source.tasks), source.estimate
        )
        self.view.now = now
        parts = self._parts(state, self.decider.submit(self.view, state))
        ticks = source.tasks
        if parts is not None and source.divisible:
            ticks = cut(ticks, parts)
            state.tasks = state.waiting = parts
        self.stages.append(_Stage(state, ticks))
        job.state.stages.append(state)
        self.waiting[state.number] = state
        self.view.stages.append(state)
        self.timeline.point("queue", "", job.source.name, str(index), now)
        self._wake()

    def _parts(self, stage: StageState, answer: object) -> int | None:
        if answer is None:
            return None
        if isinstance(answer, int) and not isinstance(answer, bool) and 1 <= answer <= MOST_TASKS:
            return answer
        raise IllegalDecision(
            self.policy,
            self.kernel.now,
            f"to cut {stage!r} into {answer!r:.60}",
            f"the number of tasks is an integer from 1 to {MOST_TASKS}, or None",
        )

    def _stage_done(self, stage: StageState) -> None:
        job = self.jobs[stage.job.number]
        job.state.left -= 1
        self.decider.finish(self.view, stage, job.source.stages[stage.index].work)
        for follower in job.followers[stage.index]:
            job.missing[follower] -= 1
            if not job.missing[follower]:
                self._delay(self.scenario.overheads.stage, job, follower)
        if not job.state.left:
            self._done(job)

    # Cores

    def _wake(self) -> None:
        if not self.deciding:
            self.deciding = True
            self.kernel.after(0, self._decide, phase=Phase.DECIDE)

    def _decide(self) -> None:
        self.deciding = False
        self.view.now = self.kernel.now
        while self.cores and self.waiting:
            stage = self._first()
            if stage is None:
                return
            self._start(self.stages[stage.number], self.decider.why(self.view, stage))

    def _first(self) -> StageState | None:
        """The stage that the policy puts first, None if it leaves all of them out."""
        answer: object = self.decider.order(self.view)
        if not isinstance(answer, Iterable):
            self._refuse(answer, "the answer is no sequence of stages")
        for stage in answer:
            if not isinstance(stage, StageState):
                self._refuse(stage, "it is no stage")
            if self.waiting.get(stage.number) is not stage:
                self._refuse(stage, "it has no task waiting here")
            return stage
        return None

    def _refuse(self, what: object, why: str) -> NoReturn:
        raise IllegalDecision(self.policy, self.kernel.now, f"to serve {what!r:.60}", why)

    def _start(self, stage: _Stage, reason: str) -> None:
        """Start the next task on the lowest free core."""
        state, task, now = stage.state, stage.next, self.kernel.now
        core = heappop(self.cores)
        end = now + stage.ticks[task] + self.scenario.overheads.task
        name = f"{state.index}.{task}"
        self.timeline.span("run", self.lanes[core], state.job.name, name, now, end, reason)
        self.kernel.at(end, self._finish, stage, core)
        stage.next += 1
        state.waiting -= 1
        state.running += 1
        self.view.free = len(self.cores)
        if not state.waiting:
            del self.waiting[state.number]
            self.view.stages.remove(state)

    def _finish(self, stage: _Stage, core: int) -> None:
        heappush(self.cores, core)
        self.view.free = len(self.cores)
        stage.state.running -= 1
        stage.left -= 1
        if not stage.left:
            self.view.now = self.kernel.now
            self._stage_done(stage.state)
        if self.waiting:
            self._wake()
