"""Self-labelling: sample many solutions, keep the best of each instance, imitate it.

No reward is shaped, no value learnt and no solver asked: the network's own best sample is the
label. It needs a cost that is known at the end, and a policy that explores by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import numpy as np

from hocket.learn.asking import Episode, Learned
from hocket.learn.batch import Ints
from hocket.learn.network import Network
from hocket.learn.rollout import Doubles
from hocket.learn.trainer import Collect, Draw
from hocket.learn.trainers.gradient import (
    GradientLearner,
    GradientTrainer,
    mean_of,
    minibatches,
)
from hocket.learn.trainers.labels import imitate_step, replay


class SelfLabel(GradientTrainer, frozen=True):
    """Self-labelling: sample many solutions of an instance, imitate the best of them.

    - `episodes`: fresh instances of an update; `samples`: how often each of them is played
    - `side_by_side`: how many plays are under way at once at most (memory)
    - `minibatch`: questions per gradient step; 0 takes all at once
    """

    name: ClassVar[str] = "self-labelling"
    source: ClassVar[str] = (
        "Corsini, Porrello, Calderara, Dell'Amico, "
        "Self-labeling the job shop scheduling problem, NeurIPS 2024"
    )
    episodes: int = 16
    samples: int = 32
    side_by_side: int = 512
    minibatch: int = 256

    def __post_init__(self) -> None:
        """Refuse settings that cannot train."""
        super().__post_init__()
        if min(self.episodes, self.samples, self.side_by_side) < 1 or self.minibatch < 0:
            raise ValueError("episodes, samples and side_by_side must be at least 1, minibatch 0")

    def start(self, policy: Learned, network: Network) -> SelfLabelling:
        """See Trainer.start."""
        return SelfLabelling(self, policy, network)


class Best(NamedTuple):
    """The best sample of one episode: its answers in order, and what the samples cost."""

    answers: Ints
    cost: float
    mean: float


class SelfLabelling(GradientLearner[SelfLabel]):
    """Self-labelling in progress."""

    def __init__(self, settings: SelfLabel, policy: Learned, network: Network) -> None:
        """Nothing learnt yet."""
        super().__init__(settings, network)
        self.policy = policy

    def learn(self, draw: Draw, collect: Collect, rng: np.random.Generator) -> dict[str, float]:
        """One update: sample, choose, imitate."""
        episodes = draw(self.settings.episodes)
        best = self.search(episodes, collect)
        labelled = replay(self.policy, episodes, [one.answers for one in best])
        told = [
            imitate_step(self, labelled, chosen)
            for chosen in minibatches(len(labelled.rows), self.settings.minibatch, rng)
        ]
        return mean_of(told) | {
            "cost": float(np.mean([one.mean for one in best])),
            "best": float(np.mean([one.cost for one in best])),
        }

    def search(self, episodes: Sequence[Episode], collect: Collect) -> list[Best]:
        """Sample every episode many times; the best sample of each, the first of equals."""
        samples = self.settings.samples
        copies = [e for e, _ in enumerate(episodes) for _ in range(samples)]
        costs = np.empty(len(copies))
        kept: dict[int, tuple[float, Ints]] = {}
        for begin in range(0, len(copies), self.settings.side_by_side):
            part = copies[begin : begin + self.settings.side_by_side]
            rows, paid = collect.answers([episodes[e] for e in part])
            costs[begin : begin + len(part)] = paid
            for e, (cost, lane) in _cheapest(part, paid).items():
                if e not in kept or cost < kept[e][0]:
                    kept[e] = cost, rows[lane]
        means = costs.reshape(-1, samples).mean(1)
        return [
            Best(rows, cost, float(mean))
            for (_, (cost, rows)), mean in zip(sorted(kept.items()), means, strict=True)
        ]


def _cheapest(episodes: Sequence[int], costs: Doubles) -> dict[int, tuple[float, int]]:
    """By episode, the least cost and the lane that paid it, the first of equals."""
    found: dict[int, tuple[float, int]] = {}
    for lane, (episode, cost) in enumerate(zip(episodes, costs.tolist(), strict=True)):
        if episode not in found or cost < found[episode][0]:
            found[episode] = cost, lane
    return found
