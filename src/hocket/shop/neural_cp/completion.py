"""A better ending for a schedule that has begun, and the actions that lead to it.

The paper lets IBM's CP Optimizer complete the schedule for 160 seconds, on one worker and warm-
started with the agent's own ending. Here OR-Tools' CP-SAT stands in for it, and is limited in its
*deterministic time*, so that a training can be repeated; it is another solver with other strengths.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hocket.learn.batch import Batch
from hocket.shop.neural_cp.environment import Environment
from hocket.shop.neural_cp.observation import observe
from hocket.shop.neural_cp.play import Drawing
from hocket.shop.neural_cp.questions import to_batch
from hocket.shop.search.cpsat import Model
from hocket.shop.search.instance import Ints, Shop, order_of

LARGEST_TIME = 1e6  # seconds; the deterministic limit is the one that counts


class Moment(NamedTuple):
    """What was seen at one time, every legal action allowed, and the actions then carried out."""

    batch: Batch
    actions: list[int]


def replay(shop: Shop, answers: Sequence[Ints]) -> tuple[list[list[Moment]], Ints]:
    """Episodes on one shop from the answers that were given: the moments of each, and start times
    int64 (L, N).

    An arena never asks where one action alone is left to draw; such are not among the `answers`.
    """
    given = [iter(lane.tolist()) for lane in answers]
    drawing = Drawing(shop, len(given))
    moments: list[list[Moment]] = [[] for _ in given]
    while not drawing.world.finished.all():
        for lane in np.flatnonzero(drawing.fresh):
            seen = drawing.seen.lanes(np.array([lane]))
            moments[lane].append(Moment(to_batch(seen), []))
        actions = np.where(drawing.left.any(axis=1), drawing.left.argmax(axis=1), -1)
        for lane in np.flatnonzero(drawing.left.sum(axis=1) > 1):
            actions[lane] = next(given[lane])
        for lane in np.flatnonzero(actions >= 0):
            moments[lane][-1].actions.append(int(actions[lane]))
        drawing.draw(actions)
    return moments, drawing.world.start


def after(shop: Shop, beginnings: Sequence[Sequence[Moment]]) -> Environment:
    """The world, a lane for each beginning of an episode, once its moments are over.

    All beginnings have as many moments.
    """
    world = Environment(shop, len(beginnings))
    for moments in zip(*beginnings, strict=True):
        world.act(_ranks([moment.actions for moment in moments], shop.jobs + 1))
    return world


def _ranks(orders: Sequence[list[int]], actions: int) -> Ints:
    """Orders of actions, one per lane, as the places that an environment takes."""
    rank = np.full((len(orders), actions), -1)
    for lane, order in enumerate(orders):
        rank[lane, order] = np.arange(len(order))
    return rank


def complete(world: Environment, lane: int, start: Ints, effort: float) -> Ints:
    """The best schedule that CP-SAT finds for a lane from here on, left-shifted: starts int64 (N,).

    What the lane has started stays as it is, and its No-Ops stay in force. `start` is a whole
    schedule with that beginning, int64 (N,); it is the hint, and what is returned if nothing better
    is found within `effort`, CP-SAT's deterministic time. Needs OR-Tools.
    """
    shop, begun = world.shop, world.start[lane] >= 0
    rest = np.flatnonzero(~begun)
    upper = int((start + shop.duration).max())
    lower = int((world.start[lane] + shop.duration)[begun].max(initial=0))
    ending = Shop(
        job_start=np.append(0, np.cumsum(world.length - world.done[lane])),
        machine=shop.machine[rest],
        duration=shop.duration[rest],
        machines=shop.machines,
        release=_earliest(world, lane),
    )
    model = Model(ending, lower, upper)
    for variable, hint, m in zip(model.start, start[rest].tolist(), ending.machine, strict=True):
        model.model.add(variable >= int(world.free[lane, m]))
        model.model.add_hint(variable, hint)
    model.model.add_hint(model.makespan, upper)
    solver = model.solver(LARGEST_TIME, workers=1, seed=0)
    solver.parameters.max_deterministic_time = effort
    found = start.copy()
    if solver.solve(model.model) in (model.cp.OPTIMAL, model.cp.FEASIBLE):
        found[rest] = [solver.value(variable) for variable in model.start]
    return _left_shifted(world, lane, found)


def _earliest(world: Environment, lane: int) -> Ints:
    """The lower bound of each job's next operation, 0 where there is none."""
    earliest: Ints = np.where(world.next[lane] >= 0, world.lower[lane], 0)
    return earliest


def _left_shifted(world: Environment, lane: int, start: Ints) -> Ints:
    """The schedule with the same machine orders and every open operation as early as possible.

    The paper has a second CP solve minimise the sum of starts with the orders fixed. Without any
    choice of order left, the earliest start of each operation is a longest path, reached by all at
    once; so one pass gives the same schedule.
    """
    shop, found = world.shop, start.copy()
    ready, free = _earliest(world, lane).tolist(), world.free[lane].tolist()
    job = shop.job.tolist()
    for x in order_of(shop, start).tolist():
        if world.start[lane, x] < 0:
            j, m = job[x], int(shop.machine[x])
            found[x] = max(ready[j], free[m])
            ready[j] = free[m] = int(found[x] + shop.duration[x])
    return found


def relabelled(world: Environment, start: Ints) -> list[list[Moment]]:
    """The actions that lead from `world`, which they move, to left-shifted schedules (L, N).

    At each moment all legal jobs start whose time has come in the schedule; if there are none, it
    is No-Op. An operation without duration goes first, or its machine would be taken.
    """
    moments: list[list[Moment]] = [[] for _ in start]
    while not world.finished.all():
        seen = observe(world)
        planned = np.take_along_axis(start, world.next, axis=1)
        due = seen.legal[:, :-1] & (planned <= world.now[:, None])
        first = world.duration[world.next] == 0
        orders = []
        for lane in range(len(start)):
            jobs = np.flatnonzero(due[lane])
            jobs = jobs[np.argsort(~first[lane, jobs], kind="stable")]
            waits = [world.shop.jobs] if seen.legal[lane].any() else []
            orders.append(jobs.tolist() or waits)
            if orders[lane]:
                batch = to_batch(seen.lanes(np.array([lane])))
                moments[lane].append(Moment(batch, orders[lane]))
        world.act(_ranks(orders, world.shop.jobs + 1))
    return moments
