"""A rollout seen episode by episode: what followed each answer, and what is to come.

Costs are what reinforcement learning calls negative rewards. A question's own cost is what is paid
between it and the next question of its episode, or the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hocket.core.errors import UserError
from hocket.learn.batch import Batch, Ints, join
from hocket.learn.rollout import Doubles, Rollout


class Trajectories(NamedTuple):
    """All questions of a rollout, in the order in which they were asked.

    Arrays have one entry per question, shape (questions,), but `episodes`: for each episode the
    numbers of its questions, in order.

    - `rows`, `log_probs`, `values`, `times`: see `hocket.learn.rollout.Step`; `values` may be empty
    - `paid`: the cost between the question and the next one, or the end
    - `waited`: the ticks until the next question; 0 for the last, whose end nobody recorded
    """

    batch: Batch
    rows: Ints
    log_probs: npt.NDArray[np.float32]
    values: npt.NDArray[np.float32]
    times: Ints
    paid: Doubles
    waited: Ints
    episodes: list[Ints]


def trajectories(rollout: Rollout) -> Trajectories:
    """The rollout, episode by episode. Raises UserError if nothing was asked at all."""
    steps = rollout.steps
    if not steps:
        raise UserError("these episodes ask nothing, so there is nothing to learn from them")
    lanes = np.concatenate([step.lanes for step in steps])
    times = np.concatenate([step.times for step in steps])
    costs = np.concatenate([step.costs for step in steps])
    by_lane = np.argsort(lanes, kind="stable")
    bounds = np.searchsorted(lanes[by_lane], np.arange(len(rollout.costs) + 1))
    episodes = [by_lane[a:b] for a, b in pairwise(bounds)]
    paid, waited = np.empty(len(lanes)), np.zeros(len(lanes), np.int64)
    for numbers, total in zip(episodes, rollout.costs.tolist(), strict=True):
        paid[numbers] = np.diff(costs[numbers], append=total)
        waited[numbers[:-1]] = np.diff(times[numbers])
    return Trajectories(
        batch=join([step.batch for step in steps]),
        rows=np.concatenate([step.rows for step in steps]),
        log_probs=np.concatenate([step.log_probs for step in steps]),
        values=np.concatenate([step.values for step in steps]),
        times=times,
        paid=paid,
        waited=waited,
        episodes=episodes,
    )


def to_go(paid: Doubles, kept: Doubles) -> Doubles:
    """The cost from each question of one episode on: ``G[k] = paid[k] + kept[k] G[k + 1]``.

    `kept` is the discount between a question and the next.
    """
    total = 0.0
    found = np.empty(len(paid))
    for k in range(len(paid) - 1, -1, -1):
        total = paid[k] + kept[k] * total
        found[k] = total
    return found


def advantages(
    paid: Doubles, values: Doubles, discount: float, trace: float
) -> tuple[Doubles, Doubles]:
    """How much more than expected the answers of one episode cost, and the costs to go.

    Generalised advantage estimation (Schulman et al., "High-dimensional continuous control using
    generalized advantage estimation", ICLR 2016, equation 16) for costs: the sum of the errors
    ``paid[k] + discount values[k + 1] - values[k]``, the n-th after k times
    ``(discount trace)^n``. The end is worth 0. The costs to go are the advantages plus the values.
    """
    errors = paid + discount * np.append(values[1:], 0.0) - values
    more = to_go(errors, np.full(len(paid), discount * trace))
    return more, more + values


def of_others(returns: Sequence[Doubles], places: Sequence[Ints]) -> list[Doubles]:
    """For each question, the mean cost to go of the other plays at the same place.

    A place is a time or a number of questions, and never falls within a play; every play has a
    question. Between its questions the cost to go of a play is a straight line, before the first
    and after the last it is constant. By time, and with the same luck in all plays, this is the
    input-dependent baseline of Mao et al., "Variance reduction for reinforcement learning in
    input-driven environments", ICLR 2019, as used in Decima (SIGCOMM 2019, section 5.3). Leaving
    out the play itself keeps the gradient unbiased.
    """
    every = np.concatenate(list(places))
    own = []
    for place, cost in zip(places, returns, strict=True):
        # Of several questions at one instant the first knows all that is still to be paid.
        instants, firsts = np.unique(place, return_index=True)
        own.append(np.interp(every, instants, cost[firsts]))
    total, others = np.sum(own, axis=0), max(len(own) - 1, 1)
    bounds = np.cumsum([0, *(len(place) for place in places)])
    return [
        (total - line)[begin:end] / others
        for line, (begin, end) in zip(own, pairwise(bounds), strict=True)
    ]
