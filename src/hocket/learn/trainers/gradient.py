"""What all trainers share: Adam with a schedule, and updates that are whole or did not happen."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Generic, Literal, TypeVar

import numpy as np
import torch
from torch import Tensor

from hocket.core.errors import RunError
from hocket.core.interrupt import check
from hocket.learn.network import Network
from hocket.learn.trainer import Collect, Draw, Trainer


class GradientTrainer(Trainer, frozen=True):
    """Settings of every trainer that follows a gradient.

    - `learning_rate`: of Adam; with `schedule` it falls to 0 over `total_updates` updates, in a
      straight line or along a half cosine
    - `weight_decay`: decoupled from the gradient (Loshchilov and Hutter 2019)
    - `max_grad_norm`: longer gradients are shortened to this; 0 leaves them
    """

    learning_rate: float = 1e-3
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    total_updates: int = 0
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0

    def __post_init__(self) -> None:
        """Refuse settings that cannot train."""
        if not self.learning_rate > 0:
            raise ValueError("learning_rate must be above 0")
        if self.schedule != "constant" and self.total_updates < 1:
            raise ValueError(f"a {self.schedule} schedule needs total_updates, at least 1")
        if self.weight_decay < 0 or self.max_grad_norm < 0:
            raise ValueError("weight_decay and max_grad_norm must be at least 0")

    def rate(self, updates: int) -> float:
        """The learning rate after so many updates."""
        if self.schedule == "constant":
            return self.learning_rate
        progress = min(updates / self.total_updates, 1.0)
        left = 1 - progress if self.schedule == "linear" else (1 + math.cos(math.pi * progress)) / 2
        return self.learning_rate * left


S = TypeVar("S", bound=GradientTrainer)


class GradientLearner(Generic[S]):
    """A training in progress. Subclasses give `learn`, and what else changes in `memory`."""

    def __init__(self, settings: S, network: Network) -> None:
        """Nothing learnt yet."""
        self.settings, self.network = settings, network
        self.updates = 0
        self.optimiser = torch.optim.AdamW(
            network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
        )

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.network.parameters()).device

    def learn(self, draw: Draw, collect: Collect, rng: np.random.Generator) -> dict[str, float]:
        """One update; what to log."""
        raise NotImplementedError(f"{type(self).__name__} has no learn(draw, collect, rng)")

    def memory(self) -> dict[str, Any]:
        """What changes beside the weights and the optimiser; see ``Learner.state``."""
        return {}

    def remember(self, memory: dict[str, Any]) -> None:
        """Go on from what `memory` gave."""

    def update(self, draw: Draw, collect: Collect, rng: np.random.Generator) -> dict[str, float]:
        """See ``Learner.update``."""
        weights = {name: value.clone() for name, value in self.network.state_dict().items()}
        before = self.state()
        try:
            for group in self.optimiser.param_groups:
                group["lr"] = self.settings.rate(self.updates)
            told = self.learn(draw, collect, rng)
        except BaseException:  # also Ctrl-C: what is saved afterwards must be whole
            self.network.load_state_dict(weights)
            self.restore(before)
            raise
        self.updates += 1
        return told | {"learning_rate": self.settings.rate(self.updates - 1)}

    def descend(self, loss: Tensor) -> float:
        """One step down the gradient of `loss`; returns the gradient's norm before it is cut."""
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        return self.step()

    def step(self) -> float:
        """One step down the gradient that has been gathered; its norm before it is cut.

        Raises RunError, and takes no step, if the gradient is not finite.
        """
        check()
        limit = self.settings.max_grad_norm or math.inf
        norm = float(torch.nn.utils.clip_grad_norm_(self.network.parameters(), limit))
        if not math.isfinite(norm):
            raise RunError("the gradient is not finite: lower the learning rate, check features")
        self.optimiser.step()
        return norm

    def tensor(self, array: np.ndarray[Any, Any]) -> Tensor:
        """Numbers as float32, where the network is."""
        return torch.from_numpy(array.astype(np.float32)).to(self.device)

    def state(self) -> dict[str, Any]:
        """See ``Learner.state``: copies, which later updates leave alone."""
        moments = {
            name: {key: value.clone() for key, value in self.optimiser.state[weight].items()}
            for name, weight in self.network.named_parameters()
            if weight in self.optimiser.state
        }
        return {"updates": self.updates, "adam": moments, "memory": self.memory()}

    def restore(self, state: dict[str, Any]) -> None:
        """See ``Learner.restore``."""
        self.updates = int(state["updates"])
        self.optimiser.state.clear()
        for name, weight in self.network.named_parameters():
            if name in state["adam"]:
                kept = {key: torch.as_tensor(value) for key, value in state["adam"][name].items()}
                # The step count stays on the CPU, where Adam looks for it.
                self.optimiser.state[weight] = {
                    key: value.clone() if key == "step" else value.clone().to(weight.device)
                    for key, value in kept.items()
                }
        self.remember(state.get("memory", {}))


def minibatches(count: int, size: int, rng: np.random.Generator) -> Iterable[np.ndarray[Any, Any]]:
    """The numbers from 0 to ``count - 1`` in random order, in near-equal parts of at most `size`.

    With `size` 0 there is one part.
    """
    order = rng.permutation(count)
    parts = -(-count // size) if size else 1
    return np.array_split(order, parts)


def mean_of(told: list[dict[str, float]]) -> dict[str, float]:
    """The mean of every figure over the steps of an update."""
    return {key: float(np.mean([one[key] for one in told])) for key in told[0]}
