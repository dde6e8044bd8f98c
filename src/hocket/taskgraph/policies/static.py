"""Static list schedulers: a job is planned whole when it arrives, and the plan is followed.

One graph at time 0 gives the textbook schedule, tick by tick. In a stream each job is planned on
what is planned already: in its gaps, as far as no task behind a gap has been given to its processor
yet, and behind it. Before that, what is planned and not done is moved to when it is now expected,
its order kept: what runs ends by its mean duration, the rest follows (right shift). What has been
planned keeps its processor and its order. All plans are made with mean durations at the highest
frequency.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from hocket.core.policy import Policy
from hocket.core.streams import Streams
from hocket.taskgraph.model.graph import Platform, platform
from hocket.taskgraph.model.scenario import TaskGraphs
from hocket.taskgraph.planning.listing import METHODS, Method
from hocket.taskgraph.planning.progress import Plan
from hocket.taskgraph.policies.runtime import DAG
from hocket.taskgraph.roles import Assign, Job, Scheduler, Task, View


class Static(Policy, frozen=True):
    """A list scheduler that plans jobs whole."""

    problems: ClassVar[tuple[str, ...]] = DAG

    def begin(self, scenario: TaskGraphs, streams: Streams) -> Scheduler:
        """See Policy.begin."""
        label = self.name.rpartition("/")[2]
        return _Planner(label, METHODS[label], platform(scenario))


class _Planner:
    """Plans jobs as they come, and gives every task to its processor when it is ready."""

    def __init__(self, label: str, method: Method, platform: Platform) -> None:
        self.label, self.method = label, method
        self.plan = Plan(platform)
        self.known = 0  # how many jobs have been planned
        self.reasons: dict[int, str] = {}

    def schedule(self, view: View) -> Sequence[Assign]:
        new: list[Job] = []
        for job in reversed(view.jobs):
            if job.number < self.known:
                break
            new.append(job)
        if new:
            self.plan.catch_up(view.now)
        for job in reversed(new):
            self.known = job.number + 1
            for task, _, start, finish in self.plan.add(job, self.method):
                reason = f"{self.label}: planned from {start} to {finish}"
                self.reasons[job.tasks[task].id] = reason
        return [self._assign(task) for task in view.ready]

    def _assign(self, task: Task) -> Assign:
        processor, after = self.plan.give(task)
        return Assign(task, processor, after, self.reasons.pop(task.id))


class HEFT(Static, frozen=True):
    """HEFT: tasks by upward rank, each to where it finishes first, gaps included."""

    name: ClassVar[str] = "taskgraph/heft"
    source: ClassVar[str] = (
        "Topcuoglu et al., IEEE Transactions on Parallel and Distributed Systems 13 (2002)"
    )


class CPOP(Static, frozen=True):
    """CPOP: the critical path on one processor, the others to where they finish first."""

    name: ClassVar[str] = "taskgraph/cpop"
    source: ClassVar[str] = HEFT.source


class PEFT(Static, frozen=True):
    """PEFT: to where finish plus an optimistic cost of what follows is least."""

    name: ClassVar[str] = "taskgraph/peft"
    source: ClassVar[str] = (
        "Arabnejad and Barbosa, IEEE Transactions on Parallel and Distributed Systems 25 (2014)"
    )


class LookaheadHEFT(Static, frozen=True):
    """Lookahead HEFT: to where the last of the task's children would finish first."""

    name: ClassVar[str] = "taskgraph/lookahead-heft"
    source: ClassVar[str] = "Bittencourt, Sakellariou and Madeira, Euromicro PDP 2010"


class DLS(Static, frozen=True):
    """Dynamic level scheduling: the pair of ready task and processor of the highest level."""

    name: ClassVar[str] = "taskgraph/dls"
    source: ClassVar[str] = (
        "Sih and Lee, IEEE Transactions on Parallel and Distributed Systems 4 (1993)"
    )


class MinMin(Static, frozen=True):
    """Min-min: the ready task that can finish first, to where it does."""

    name: ClassVar[str] = "taskgraph/min-min"
    source: ClassVar[str] = "Ibarra and Kim, Journal of the ACM 24 (1977)"


class MaxMin(Static, frozen=True):
    """Max-min: the ready task whose earliest finish is last, to where that is."""

    name: ClassVar[str] = "taskgraph/max-min"
    source: ClassVar[str] = "Ibarra and Kim, Journal of the ACM 24 (1977)"


POLICIES = (HEFT, CPOP, PEFT, LookaheadHEFT, DLS, MinMin, MaxMin)
