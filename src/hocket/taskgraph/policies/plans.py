"""Follow a given schedule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import ClassVar

from hocket.core.errors import InputError, NotApplicable
from hocket.core.policy import Policy
from hocket.core.streams import Streams
from hocket.core.timeline import Timeline
from hocket.taskgraph.model.jobs import Listed, Release
from hocket.taskgraph.model.scenario import TaskGraphs
from hocket.taskgraph.policies.runtime import DAG
from hocket.taskgraph.roles import Assign, Scheduler, Task, View


class FollowPlan(Policy, frozen=True):
    """Follow a given schedule, shifting right when reality is late.

    `sequences` holds for each lane of a timeline (a processor, or ``NAME.k`` for the k-th slot of
    one that runs several tasks at once) the tasks in order, as ``JOB/TASK``, where JOB is
    ``TYPE#NUMBER`` and counts arrivals from 0. `FollowPlan.of` takes them from a timeline.
    """

    name: ClassVar[str] = "taskgraph/plan"
    problems: ClassVar[tuple[str, ...]] = DAG
    sequences: dict[str, tuple[str, ...]] = {}

    @classmethod
    def of(cls, timeline: Timeline) -> FollowPlan:
        """The plan that a timeline shows."""
        # Where several tasks of no duration stand at one instant, they were recorded in order.
        spans = sorted(timeline.spans("run"), key=lambda span: (span.start, span.end))
        sequences: dict[str, list[str]] = {}
        for span in spans:
            sequences.setdefault(span.lane, []).append(f"{span.group}/{span.name}")
        return cls(sequences={lane: tuple(names) for lane, names in sequences.items()})

    def refuses(self, scenario: TaskGraphs) -> str:
        """See Policy.refuses."""
        if not isinstance(scenario.arrivals, Listed):
            return "its jobs are drawn at random, and a plan names jobs that are listed"
        return ""

    def begin(self, scenario: TaskGraphs, streams: Streams) -> Scheduler:
        """See Policy.begin.

        Raises NotApplicable for a stream of jobs, and InputError when the plan does not match the
        scenario.
        """
        arrivals = scenario.arrivals
        if not isinstance(arrivals, Listed):
            raise NotApplicable(f"{self.name} cannot schedule this: {self.refuses(scenario)}")
        slots = {
            lane: p for p, processor in enumerate(scenario.processors) for lane in processor.lanes
        }
        tasks = dict(_named_tasks(scenario, arrivals))
        if problems := _problems(scenario, self.sequences, slots, tasks):
            raise InputError(self.name, problems)
        return _Follower(
            {
                name: (slots[lane], before)
                for lane, names in self.sequences.items()
                for before, name in zip((None, *names), names, strict=False)
            }
        )


def _named_tasks(scenario: TaskGraphs, arrivals: Listed) -> Iterator[tuple[str, str]]:
    """All tasks as a plan calls them, each with the function that it runs."""
    kinds = {kind.name: kind for kind in scenario.types}
    releases = arrivals.jobs or tuple(Release(type=name) for name in kinds)
    for number, release in enumerate(sorted(releases, key=lambda release: release.time)):
        for task in kinds[release.type].tasks:
            yield f"{release.type}#{number}/{task.name}", task.runs


def _problems(
    scenario: TaskGraphs,
    sequences: dict[str, tuple[str, ...]],
    slots: dict[str, int],
    tasks: dict[str, str],
) -> list[str]:
    """Where a plan does not fit."""
    found = [f"there is no processor or slot {lane!r}" for lane in sequences if lane not in slots]
    for lane, names in sequences.items():
        if lane in slots:
            able = scenario.processors[slots[lane]].functions
            known = [name for name in dict.fromkeys(names) if name in tasks]
            found += [f"{lane} cannot run {name!r}" for name in known if tasks[name] not in able]
    planned = Counter(name for names in sequences.values() for name in names)
    found += [f"there is no task {name!r}" for name in planned if name not in tasks]
    found += [f"task {name!r} is not planned" for name in tasks if name not in planned]
    found += [f"{name!r} is planned twice" for name, count in planned.items() if count > 1]
    return found


class _Follower:
    """Keeps every task to its processor, and behind the one that is planned before it there.

    A task that is planned behind one of a job that has not come yet waits until that is there.
    """

    def __init__(self, planned: dict[str, tuple[int, str | None]]) -> None:
        """`planned` has for each task its processor, and the task before it on its slot."""
        self.planned = planned
        self.tasks: dict[str, Task] = {}
        self.known = 0

    def schedule(self, view: View) -> Sequence[Assign]:
        for job in view.jobs:
            if job.number >= self.known:
                self.tasks.update((repr(task), task) for task in job.tasks)
                self.known = job.number + 1
        answer = []
        for task in view.ready:
            processor, name = self.planned[repr(task)]
            if name is None:
                answer.append(Assign(task, processor, None, "first in the plan"))
            elif name in self.tasks:
                answer.append(Assign(task, processor, self.tasks[name], f"planned behind {name}"))
        return answer


POLICIES = (FollowPlan,)
