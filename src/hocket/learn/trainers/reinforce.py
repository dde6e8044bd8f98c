"""REINFORCE, with the differential costs and the baselines that scheduling needs."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from hocket.core.errors import UserError
from hocket.core.interrupt import check
from hocket.learn.asking import Learned
from hocket.learn.batch import Ints
from hocket.learn.network import Network, tensors
from hocket.learn.networks.segments import entropy, log_softmax
from hocket.learn.rollout import Doubles, Rollout
from hocket.learn.trainer import Collect, Draw
from hocket.learn.trainers.gradient import GradientLearner, GradientTrainer
from hocket.learn.trainers.trajectories import (
    Trajectories,
    of_others,
    to_go,
    trajectories,
)

SUMS = ("policy", "entropy", "value")
"""What the loss is made of, as sums over questions."""


class Reinforce(GradientTrainer, frozen=True):
    """REINFORCE: answers that were followed by lower costs than expected become more likely.

    - `episodes`: drawn for an update; `copies`: how often each is played, with the same luck
    - `average`: costs count only as far as they exceed the average cost per question (``step``) or
      per tick (``time``) of the last `window` updates, as in average-cost problems without an end
    - `discount`: of later costs, per question (``step``) or per tick (``time``)
    - `baseline`: what is expected: the mean cost to go of the other plays of the same episode (of
      the update, if there are no copies), after as many questions (``step``) or at the same tick
      (``time``); the network's own ``value``, in units of `unit`; or nothing
    - `unit`: the cost that counts as 1; 0 takes the mean cost of an episode in the first update
    - `scale`: divide by the standard deviation over the update, so that the unit of costs is none
    - `entropy`: a bonus for undecided answers, which moves to `entropy_end` in a straight line over
      `entropy_updates` updates (0: stays)
    - `value_weight`: of the squared error of the network's values
    - `at_once`: questions that go through the network together at most (memory)
    """

    name: ClassVar[str] = "reinforce"
    source: ClassVar[str] = (
        "Williams, Machine Learning 8 (1992); Mao et al., Learning scheduling algorithms for data "
        "processing clusters, SIGCOMM 2019"
    )
    episodes: int = 8
    copies: int = 1
    average: Literal["none", "step", "time"] = "none"
    window: int = 100
    discount: float = 1.0
    discount_by: Literal["step", "time"] = "step"
    baseline: Literal["none", "step", "time", "value"] = "step"
    unit: float = 0.0
    scale: bool = True
    entropy: float = 0.01
    entropy_end: float = 0.0
    entropy_updates: int = 0
    value_weight: float = 0.5
    at_once: int = 4096

    def __post_init__(self) -> None:
        """Refuse settings that cannot train."""
        super().__post_init__()
        if min(self.episodes, self.copies, self.window, self.at_once) < 1:
            raise ValueError("episodes, copies, window and at_once must be at least 1")
        if not 0 < self.discount <= 1:
            raise ValueError("discount must be above 0 and at most 1")
        if not self.unit >= 0:
            raise ValueError("unit must be at least 0")
        if self.baseline in ("step", "time") and self.episodes * self.copies < 2:
            raise ValueError(f"the baseline {self.baseline} needs two plays: raise copies")

    def start(self, policy: Learned, network: Network) -> Reinforcement:
        """See Trainer.start."""
        return Reinforcement(self, network)

    def bonus(self, updates: int) -> float:
        """The weight of the entropy after so many updates."""
        if not self.entropy_updates:
            return self.entropy
        progress = min(updates / self.entropy_updates, 1.0)
        return self.entropy + (self.entropy_end - self.entropy) * progress


class Targets(NamedTuple):
    """By question: the cost to go, and how much more that is than was expected."""

    returns: Doubles
    excess: Doubles


class Reinforcement(GradientLearner[Reinforce]):
    """REINFORCE in progress."""

    def __init__(self, settings: Reinforce, network: Network) -> None:
        """Nothing learnt yet."""
        super().__init__(settings, network)
        self.unit = settings.unit
        self.recent: list[tuple[float, float]] = []  # cost and length of the last updates

    def memory(self) -> dict[str, Any]:
        """See GradientLearner.memory."""
        return {
            "unit": self.unit,
            "paid": [paid for paid, _ in self.recent],
            "passed": [passed for _, passed in self.recent],
        }

    def remember(self, memory: dict[str, Any]) -> None:
        """See GradientLearner.remember."""
        self.unit = float(memory["unit"])
        paid, passed = (map(float, memory[key]) for key in ("paid", "passed"))
        self.recent = list(zip(paid, passed, strict=True))

    def learn(self, draw: Draw, collect: Collect, rng: np.random.Generator) -> dict[str, float]:
        """One update: play, compare with what was expected, take one step."""
        drawn = draw(self.settings.episodes)
        rollout = collect([episode for episode in drawn for _ in range(self.settings.copies)])
        told = self.descend_on(rollout)
        return {"cost": float(rollout.costs.mean())} | told

    def descend_on(self, rollout: Rollout) -> dict[str, float]:
        """One step down the gradient of the loss, part by part of the questions."""
        seen = trajectories(rollout)
        self.unit = self.unit or float(np.abs(rollout.costs).mean()) or 1.0
        targets = self.targets(seen)
        count = len(seen.rows)
        self.optimiser.zero_grad(set_to_none=True)
        sums = dict.fromkeys(SUMS, 0.0)
        for chosen in np.array_split(np.arange(count), -(-count // self.settings.at_once)):
            loss, parts = self.loss(seen, targets, chosen)
            check()
            (loss / count).backward()  # type: ignore[no-untyped-call]
            for key, value in zip(SUMS, parts, strict=True):
                sums[key] += float(value)
        norm = self.step()
        means = {key: value / count for key, value in sums.items()}
        return means | {"grad_norm": norm, "questions": float(count)}

    def targets(self, seen: Trajectories) -> Targets:
        """Costs to go, and what they exceed the baseline by."""
        paid = (seen.paid - self._average(seen)) / self.unit
        waited = seen.waited if self.settings.discount_by == "time" else np.ones(len(paid))
        kept: Doubles = self.settings.discount ** waited.astype(float)
        parts = [to_go(paid[numbers], kept[numbers]) for numbers in seen.episodes]
        returns, expected = np.empty(len(paid)), np.empty(len(paid))
        for numbers, part in zip(seen.episodes, parts, strict=True):
            returns[numbers] = part
        for group in self._groups(len(parts)):
            group = [i for i in group if len(parts[i])]
            lines = self._baseline(seen, group, [parts[i] for i in group])
            for i, line in zip(group, lines, strict=True):
                expected[seen.episodes[i]] = line
        excess = returns - expected
        spread = float(excess.std()) if self.settings.scale else 0.0
        return Targets(returns, excess / spread if spread else excess)

    def _average(self, seen: Trajectories) -> Doubles | float:
        """What the answers would have cost at the average rate; takes this update into account."""
        if self.settings.average == "none":
            return 0.0
        by_time = self.settings.average == "time"
        passed = seen.waited.astype(float) if by_time else np.ones(len(seen.paid))
        now = float(seen.paid.sum()), float(passed.sum())
        self.recent = [*self.recent, now][-self.settings.window :]
        total = sum(passed for _, passed in self.recent)
        return passed * (sum(paid for paid, _ in self.recent) / total if total else 0.0)

    def _groups(self, plays: int) -> list[list[int]]:
        """Plays that are compared with each other."""
        size = self.settings.copies if self.settings.copies > 1 else plays
        return [list(range(begin, begin + size)) for begin in range(0, plays, size)]

    def _baseline(
        self, seen: Trajectories, group: list[int], returns: list[Doubles]
    ) -> list[Doubles]:
        if self.settings.baseline == "step":
            return of_others(returns, [np.arange(len(one)) for one in returns])
        if self.settings.baseline == "time":
            return of_others(returns, [seen.times[seen.episodes[i]] for i in group])
        if self.settings.baseline == "value":
            if not len(seen.values):
                raise UserError("the baseline value needs a network that gives values")
            return [seen.values[seen.episodes[i]].astype(float) for i in group]
        return [np.zeros(len(one)) for one in returns]

    def loss(
        self, seen: Trajectories, targets: Targets, chosen: Ints
    ) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        """The loss of some questions, summed, and its parts without their weights."""
        batch = seen.batch.take(chosen)
        inputs = tensors(batch, self.device)
        scores = self.network(inputs)
        lanes = inputs.lanes[batch.actions]
        logs = log_softmax(scores.logits, inputs.mask, lanes, batch.size)
        of_rows = logs[torch.from_numpy(batch.bounds[:-1] + seen.rows[chosen]).to(self.device)]
        policy = (of_rows * self.tensor(targets.excess[chosen])).sum()
        spread = entropy(logs, lanes, batch.size).sum()
        value = policy.new_zeros(())
        if self.settings.baseline == "value":
            value = (scores.values - self.tensor(targets.returns[chosen])).square().sum()
        loss = policy - self.settings.bonus(self.updates) * spread
        return loss + self.settings.value_weight * value, (
            policy.detach(),
            spread.detach(),
            value.detach(),
        )
