"""The questions that machine scheduling puts to a model which is given no others.

They are plain: one row per alternative with the figures that dispatching rules go by, without
links. Times are in units of the scenario's mean duration, so that a model meets numbers of the same
size whatever a tick is. Alone these are no policies: `hocket.learn.models` joins them with a model,
`hocket.learn.env` makes environments of them.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hocket.core.registry import problem_type
from hocket.core.streams import Streams
from hocket.core.timeline import Timeline
from hocket.learn.asking import Asking, Choose, Question
from hocket.learn.batch import question
from hocket.shop.dispatch import Dispatcher, ShopView, Start
from hocket.shop.model.arrays import NEVER
from hocket.shop.model.jobshop import JobShop
from hocket.shop.model.project import Project
from hocket.shop.model.single import SingleMachine
from hocket.shop.policies.rules import SHOPS
from hocket.shop.simulate.project import Begin, ProjectScheduler, ProjectView

Doubles = npt.NDArray[np.float64]


class ShopQuestions(Asking, frozen=True):
    """Which waiting operation a free machine starts.

    Tables: ``operations``, one row for each operation that can start: its duration here, work and
    number of operations left in its job, how long it has waited, its slack (0 without a due date),
    whether it has a due date, its weight; ``shop``, one row: shares of all operations that are done
    and started, and of machines that are up, and how many operations wait here.

    The cost is the scenario's objective, paid as time goes by; a maximum lateness only at the end.
    """

    name: ClassVar[str] = "shop/questions"
    problems: ClassVar[tuple[str, ...]] = SHOPS

    def decider(self, scenario: Any, streams: Streams, choose: Choose) -> Dispatcher:
        """See Asking.decider."""
        return _Dispatching(scenario.objective, choose)

    def cost(self, scenario: Any, timeline: Timeline) -> float:
        """See Asking.cost."""
        return _objective(scenario, timeline)

    def most_rows(self, scenario: JobShop | SingleMachine) -> dict[str, int]:
        """One operation of each job."""
        return {"operations": len(scenario.jobs), "shop": 1}


class ProjectQuestions(Asking, frozen=True):
    """Which activity that fits starts now, and in which mode.

    Tables: ``activities``, one row for each activity and mode that can start: duration, time to the
    latest start, share of all activities that follow, positional weight, the largest share of a
    capacity that it takes, its slack (0 without a due date), whether it has a due date, its weight;
    ``project``, one row: the share of activities started, how many are running, and the mean share
    of the capacities that is free.

    Activities that a maximum time lag gives a last start go first, and nothing waits that could
    start. The cost is the project's objective, known at the end.
    """

    name: ClassVar[str] = "shop/project-questions"
    problems: ClassVar[tuple[str, ...]] = ("shop/project",)

    def decider(self, scenario: Project, streams: Streams, choose: Choose) -> ProjectScheduler:
        """See Asking.decider."""
        return _Scheduling(choose)

    def cost(self, scenario: Project, timeline: Timeline) -> float:
        """See Asking.cost."""
        return _objective(scenario, timeline)

    def most_rows(self, scenario: Project) -> dict[str, int]:
        """Every activity in every mode."""
        return {"activities": sum(len(a.modes) for a in scenario.activities), "project": 1}


def _objective(scenario: Any, timeline: Timeline) -> float:
    figures = problem_type(scenario).get("metrics")(scenario, timeline)
    return float(figures[scenario.objective])


class _Dispatching:
    def __init__(self, objective: str, choose: Choose) -> None:
        self.objective, self.choose = objective, choose

    def dispatch(self, view: ShopView) -> Start:
        tables: dict[str, Any] = {"operations": _operations(view), "shop": [_shop(view)]}
        asked = Question(question(tables, "operations"), view.now, _paid(view, self.objective))
        return Start(view.candidates[self.choose(asked)], f"chosen of {len(view.candidates)}")


def _operations(view: ShopView) -> Doubles:
    """One row of features for each candidate."""
    op = np.array(view.candidates)
    unit = max(float(view.arrays.shortest.mean()), 1e-9)
    due = view.due[op] < NEVER
    slack = np.where(due, view.due[op] - view.now - view.remaining_work[op], 0)
    return np.stack(
        [
            view.duration[op] / unit,
            view.remaining_work[op] / unit,
            view.remaining_ops[op],
            (view.now - view.ready[op]) / unit,
            slack / unit,
            due,
            view.weight[op] / max(float(view.weight.mean()), 1e-9),
        ],
        axis=1,
    )


def _shop(view: ShopView) -> list[float]:
    done, started = (view.finished >= 0).mean(), (view.started >= 0).mean()
    return [float(done), float(started), float(view.up.mean()), len(view.candidates)]


def _paid(view: ShopView, objective: str) -> float:
    """What the objective comes to at the least, if all unfinished jobs were done now."""
    if objective == "makespan":
        return float(view.now)
    if objective == "max_lateness":
        return 0.0
    bounds = np.array(view.arrays.first)
    begin, last = bounds[:-1], bounds[1:] - 1
    end = np.where(view.finished[last] >= 0, view.finished[last], view.now)
    if objective in ("total_flow_time", "weighted_flow_time"):
        by_job = np.where(view.arrived, end - view.ready[begin], 0)
    else:
        by_job = np.maximum(end - view.due[begin], 0)
    if objective == "late_jobs":
        by_job = np.minimum(by_job, 1)
    weighted = objective.startswith("weighted")
    return float((by_job * view.weight[begin]).sum() if weighted else by_job.sum())


class _Scheduling:
    def __init__(self, answer: Choose) -> None:
        self.answer = answer

    def choose(self, view: ProjectView) -> Begin:
        pairs = view.eligible
        last = [view.latest[i] for i, _ in pairs]
        first = min((when for when in last if when is not None), default=None)
        open_rows = [first is None or when == first for when in last]
        tables: dict[str, Any] = {"activities": _activities(view), "project": [_project(view)]}
        row = self.answer(Question(question(tables, "activities", open_rows), view.now))
        return Begin(*pairs[row], f"chosen of {sum(open_rows)}")


def _activities(view: ProjectView) -> Doubles:
    """One row of features for each activity and mode that can start."""
    tasks, figures, capacity = view.network.tasks, view.figures, view.network.capacity
    unit = max(sum(task.shortest for task in tasks) / len(tasks), 1e-9)
    weight = max(sum(task.weight for task in tasks) / len(tasks), 1e-9)
    rows = []
    for i, k in view.eligible:
        task, mode = tasks[i], tasks[i].modes[k]
        shares = (use / cap for use, cap in zip(mode.use, capacity, strict=True) if cap)
        slack = 0 if task.due is None else task.due - view.now - mode.duration
        rows.append(
            [
                mode.duration / unit,
                (figures.latest_start[i] - view.now) / unit,
                figures.successors[i] / len(tasks),
                figures.positional_weight[i] / unit,
                max(shares, default=0.0),
                slack / unit,
                task.due is not None,
                task.weight / weight,
            ]
        )
    return np.array(rows, float)


def _project(view: ProjectView) -> list[float]:
    started = sum(start is not None for start in view.start) / len(view.start)
    pairs = zip(view.free, view.network.capacity, strict=True)
    free = [level / cap for level, cap in pairs if cap]
    return [started, len(view.running), sum(free) / len(free) if free else 1.0]
