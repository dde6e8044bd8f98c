"""From the present state of a shop to a plan, and following it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hocket.learn.asking import Choose, Question
from hocket.learn.batch import Batch, Floats, Ints
from hocket.learn.sampling import greedy, sample
from hocket.shop.dispatch import ShopView, Start
from hocket.shop.model.jobshop import JobShop
from hocket.shop.neural.arena import ActiveSchedules
from hocket.shop.neural.instances import Work
from hocket.shop.policies.plans import Follower

Planner = Callable[[Work, int], Ints]
"""The jobs of the work in the order in which their operations are planned; second is the time."""

SIDE_BY_SIDE = 64
"""Schedules that are built in lock step: more need more memory, and are hardly faster."""


def asking(choose: Choose) -> Planner:
    """A planner that puts every conflict to `choose`."""

    def plan(work: Work, now: int) -> Ints:
        arena = ActiveSchedules([work])
        while (asked := arena.asked()) is not None:
            row = choose(Question(asked.batch, now))
            arena.answer(np.array([row]))
        return arena.sequence(0)

    return plan


def sampling(
    score: Callable[[Batch], Floats], samples: int, temperature: float, rng: np.random.Generator
) -> Planner:
    """The shortest of one greedy plan and ``samples - 1`` random ones, the first of equals."""

    def pick(batch: Batch) -> Ints:
        return sample(score(batch) / np.float32(temperature), batch, rng)[0]

    def plan(work: Work, now: int) -> Ints:
        span, best = _shortest(work, 1, lambda batch: greedy(score(batch), batch))
        for begin in range(1, samples, SIDE_BY_SIDE):
            count = min(SIDE_BY_SIDE, samples - begin)
            found, jobs = _shortest(work, count, pick)
            if found < span:
                span, best = found, jobs
        return best

    return plan


def _shortest(work: Work, count: int, pick: Callable[[Batch], Ints]) -> tuple[float, Ints]:
    """The shortest of some plans: when it is over, and its jobs in order."""
    arena = ActiveSchedules([work] * count)
    while (asked := arena.asked()) is not None:
        arena.answer(pick(asked.batch))
    costs = arena.costs()
    best = int(costs.argmin())
    return float(costs[best]), arena.sequence(best)


class Replanner:
    """Follows a plan, and makes a new one when a job arrives of which nothing was known."""

    def __init__(self, shop: JobShop, planner: Planner) -> None:
        """Nothing is planned before the first decision."""
        self.surprises = shop.arrivals is not None
        self.planner = planner
        self.known = -1
        self.follower = Follower([])

    def dispatch(self, view: ShopView) -> Start | None:
        """See Dispatcher."""
        known = view.arrived if self.surprises else np.ones(len(view.arrived), bool)
        if (count := int(known.sum())) != self.known:
            self.known = count
            self.follower = Follower(self._plan(view, known))
        return self.follower.dispatch(view)

    def _plan(self, view: ShopView, known: Any) -> list[list[int]]:
        """The order of operations on each machine."""
        following, work = work_left(view, known)
        order: list[list[int]] = [[] for _ in view.arrays.machines]
        for job in self.planner(work, view.now).tolist():
            operation = following[job]
            following[job] += 1
            order[view.arrays.choices[operation][0][0]].append(operation)
        return order


def work_left(view: ShopView, known: Any) -> tuple[list[int], Work]:
    """The first operation of each job that has not started, and the work of the known jobs.

    What runs is expected to end when its nominal duration is over, or now if that is past.
    """
    data, now = view.arrays, view.now
    following = list(data.first[:-1])
    ready = np.maximum(view.release[following], now)
    free = np.full(len(data.machines), now)
    started = np.flatnonzero(view.started >= 0)
    for o in started.tolist():
        job, machine = int(data.job[o]), int(view.assigned[o])
        end = int(view.finished[o])
        if end < 0:
            end = max(int(view.started[o] + data.duration[machine, o]), now)
        following[job] = max(following[job], o + 1)
        ready[job] = max(ready[job], end)
        free[machine] = max(free[machine], end)
    routes = [
        [data.choices[o][0] for o in range(begin, end)] if here else []
        for begin, end, here in zip(following, data.first[1:], known, strict=True)
    ]
    return following, Work(routes, ready.tolist(), free.tolist())
