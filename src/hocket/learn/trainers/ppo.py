"""Proximal policy optimisation."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from hocket.core.errors import UserError
from hocket.learn.asking import Learned
from hocket.learn.batch import Ints
from hocket.learn.network import Network, tensors
from hocket.learn.networks.segments import entropy, log_softmax
from hocket.learn.rollout import Doubles, Rollout
from hocket.learn.trainer import Collect, Draw
from hocket.learn.trainers.gradient import (
    GradientLearner,
    GradientTrainer,
    mean_of,
    minibatches,
)
from hocket.learn.trainers.trajectories import Trajectories, advantages, trajectories


class PPO(GradientTrainer, frozen=True):
    """Proximal policy optimisation: several passes over each rollout, in small enough steps.

    - `episodes`: played in an update; `epochs`: passes over their questions, in minibatches of
      about `minibatch` questions (0: all at once)
    - `clip`: how far the probability of an answer may move, as a ratio, before its gradient stops
    - `discount`: of later costs, per question; `trace`: the lambda of the advantage estimate
    - `entropy`: a bonus for undecided answers; `value_weight`: of the squared error of the values
    - `max_kl`: the update ends when the policy has moved further than this; 0 never ends it
    - `unit`: the cost that the network's values count as 1; 0 takes the mean cost of an episode in
      the first update
    """

    name: ClassVar[str] = "ppo"
    source: ClassVar[str] = (
        "Schulman, Wolski, Dhariwal, Radford, Klimov, Proximal policy optimization algorithms, 2017"
    )
    episodes: int = 16
    epochs: int = 4
    minibatch: int = 256
    clip: float = 0.2
    discount: float = 1.0
    trace: float = 0.95
    entropy: float = 0.01
    value_weight: float = 0.5
    max_kl: float = 0.03
    unit: float = 0.0

    def __post_init__(self) -> None:
        """Refuse settings that cannot train."""
        super().__post_init__()
        if min(self.episodes, self.epochs) < 1 or self.minibatch < 0:
            raise ValueError("episodes and epochs must be at least 1, and minibatch at least 0")
        if not 0 < self.discount <= 1 or not 0 <= self.trace <= 1:
            raise ValueError("discount must be above 0 and at most 1, trace between 0 and 1")
        if not self.clip > 0 or not self.max_kl >= 0 or not self.unit >= 0:
            raise ValueError("clip must be above 0, and max_kl and unit at least 0")

    def start(self, policy: Learned, network: Network) -> Proximal:
        """See Trainer.start."""
        return Proximal(self, network)


class Targets(NamedTuple):
    """By question, in units of cost: how much more than expected it cost, and the cost to go.

    `excess` has mean 0 and standard deviation 1 over the rollout.
    """

    excess: Doubles
    returns: Doubles


class Proximal(GradientLearner[PPO]):
    """PPO in progress."""

    def __init__(self, settings: PPO, network: Network) -> None:
        """Nothing learnt yet."""
        super().__init__(settings, network)
        self.unit = settings.unit

    def memory(self) -> dict[str, Any]:
        """See GradientLearner.memory."""
        return {"unit": self.unit}

    def remember(self, memory: dict[str, Any]) -> None:
        """See GradientLearner.remember."""
        self.unit = float(memory["unit"])

    def learn(self, draw: Draw, collect: Collect, rng: np.random.Generator) -> dict[str, float]:
        """One update: play, then several passes over what was seen."""
        rollout = collect(draw(self.settings.episodes))
        seen = trajectories(rollout)
        targets = self.targets(seen, rollout)
        told: list[dict[str, float]] = []
        moved = 0.0
        for _ in range(self.settings.epochs):
            for chosen in minibatches(len(seen.rows), self.settings.minibatch, rng):
                loss, parts = self.loss(seen, targets, chosen)
                moved = parts["kl"]
                if self.settings.max_kl and moved > self.settings.max_kl:
                    break
                told.append(parts | {"grad_norm": self.descend(loss)})
            else:
                continue
            break
        return {
            "cost": float(rollout.costs.mean()),
            **(mean_of(told) if told else {}),
            "kl": moved,
            "steps": float(len(told)),
        }

    def targets(self, seen: Trajectories, rollout: Rollout) -> Targets:
        """What the costs exceeded the network's expectation by, and what it should have been."""
        if not len(seen.values):
            raise UserError("PPO needs a network that gives values")
        self.unit = self.unit or float(np.abs(rollout.costs).mean()) or 1.0
        excess, returns = np.empty(len(seen.rows)), np.empty(len(seen.rows))
        for numbers in seen.episodes:
            excess[numbers], returns[numbers] = advantages(
                seen.paid[numbers] / self.unit,
                seen.values[numbers].astype(float),
                self.settings.discount,
                self.settings.trace,
            )
        return Targets((excess - excess.mean()) / (excess.std() or 1.0), returns)

    def loss(
        self, seen: Trajectories, targets: Targets, chosen: Ints
    ) -> tuple[Tensor, dict[str, float]]:
        """The mean loss of some questions (Schulman et al., equations 7 and 9), and what it tells.

        `kl` estimates the Kullback-Leibler divergence from the policy that played, as the mean of
        ``r - 1 - log r`` over the ratios ``r`` of new to old probability: never negative, and
        right on average.
        """
        batch = seen.batch.take(chosen)
        inputs = tensors(batch, self.device)
        scores = self.network(inputs)
        lanes = inputs.lanes[batch.actions]
        logs = log_softmax(scores.logits, inputs.mask, lanes, batch.size)
        rows = torch.from_numpy(batch.bounds[:-1] + seen.rows[chosen]).to(self.device)
        moved = logs[rows] - self.tensor(seen.log_probs[chosen])
        ratio = moved.exp()
        excess = self.tensor(targets.excess[chosen])
        clipped = ratio.clamp(1 - self.settings.clip, 1 + self.settings.clip)
        policy = torch.maximum(ratio * excess, clipped * excess).mean()
        spread = entropy(logs, lanes, batch.size).mean()
        value = (scores.values - self.tensor(targets.returns[chosen])).square().mean()
        loss = policy - self.settings.entropy * spread + self.settings.value_weight * value
        with torch.no_grad():
            far = (ratio - 1).abs() > self.settings.clip
            told = {
                "policy": float(policy),
                "value": float(value),
                "entropy": float(spread),
                "clipped": float(far.float().mean()),
                "kl": float((ratio - 1 - moved).mean()),
            }
        return loss, told
