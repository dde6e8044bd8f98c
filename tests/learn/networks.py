"""A tiny network and trainers for it. Needs PyTorch."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from hocket.learn.network import Network, Scores, Tensors, tensors
from hocket.learn.trainer import Trainer


class Scorer(Network):
    """An MLP per row; the value is the sum of the rows' scores."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, width), nn.Tanh(), nn.Linear(width, 1))

    def forward(self, batch: Tensors) -> Scores:
        logits = self.body(batch.tables[batch.actions]).squeeze(1)
        values = torch.zeros(batch.size).index_add(0, batch.lanes[batch.actions], logits)
        return Scores(logits, values)


class Nudge(Trainer, frozen=True):
    """Policy gradient with the batch's mean as the baseline, by Adam; logs like a real one."""

    name: ClassVar[str] = "nudge"
    lr: float = 0.01
    episodes: int = 4
    spoilt: int = 0

    def start(self, policy: Any, network: Network) -> Nudging:
        return Nudging(self, network)


class Nudging:
    def __init__(self, settings: Nudge, network: Network) -> None:
        self.settings, self.network = settings, network
        self.optimiser = torch.optim.Adam(network.parameters(), settings.lr)
        self.done = 0

    def update(self, draw: Any, collect: Any, rng: np.random.Generator) -> dict[str, float]:
        rollout = collect(draw(self.settings.episodes))
        worth = torch.from_numpy(rollout.costs - rollout.costs.mean()).float()
        loss = torch.zeros(())
        for step in rollout.steps:
            batch = tensors(step.batch)
            noise = 1e-3 * torch.randn(len(batch.mask))  # PyTorch's own generator matters too
            logits = self.network(batch).logits + noise + 1e-3 * float(rng.normal())
            shares = torch.exp(logits)
            total = torch.zeros(batch.size).index_add(0, batch.lanes[batch.actions], shares)
            chosen = torch.from_numpy(step.batch.bounds[:-1] + step.rows)
            log_probs = logits[chosen] - torch.log(total)
            loss = loss + (worth[torch.from_numpy(step.lanes)] * log_probs).sum() / 1000
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self.done += 1
        if self.done == self.settings.spoilt:
            return {"loss": float("nan")}
        return {"loss": float(loss.detach()), "entropy": 1.0}

    def state(self) -> dict[str, Any]:
        return {"done": self.done, "optimiser": self.optimiser.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        self.done = state["done"]
        self.optimiser.load_state_dict(state["optimiser"])
