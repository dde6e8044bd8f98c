"""The network in PyTorch, for training. Its NumPy twin is `hocket.shop.neural_cp.forward`.

2,442 weights: an operation is two small embeddings and two numbers, projected to 8 and marked with
its position; a transformer layer within each job's window, its mean, a second layer across the jobs
that compete for one machine; then one small head for jobs and one for No-Op.

Source: Tassel, Gebser, Schekotihin, ICAPS 2023, section "Neural Network Architecture", and the
released code, whose initialisation this follows.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from hocket.learn.network import Network, Scores, Tensors
from hocket.shop.neural_cp.forward import FEED_FORWARD, WIDTH, sinusoids
from hocket.shop.neural_cp.questions import split


class NeuralCPNetwork(Network):
    """Scores the jobs of each question, and No-Op."""

    def __init__(self) -> None:
        super().__init__()
        self.started, self.next = nn.Embedding(2, 1), nn.Embedding(2, 1)
        self.tokens = nn.Embedding(3, 4)
        self.project = nn.Linear(4, WIDTH)
        nn.init.xavier_uniform_(self.project.weight)
        nn.init.zeros_(self.project.bias)
        self.window, self.jobs = _Layer(), _Layer()
        self.job, self.wait = _Head(), _Head()
        self.register_buffer("positions", torch.from_numpy(sinusoids()), persistent=False)

    def forward(self, batch: Tensors) -> Scores:
        """See Network.forward. There is no value head."""
        lanes, size = batch.lanes["jobs"], batch.size
        counts = torch.bincount(lanes, minlength=size)
        place = torch.arange(len(lanes), device=lanes.device)
        place = place - (counts.cumsum(0) - counts)[lanes]
        intervals, positions, tokens, padding, rivals = split(batch.tables["jobs"])
        windows = self._windows(intervals, positions.long(), tokens.long(), padding > 0)
        most = int(counts.max())
        # Short questions are filled up with jobs that attend to nobody but themselves.
        jobs = windows.new_zeros((size, most, WIDTH)).index_put((lanes, place), windows)
        group = rivals.new_full((size, most), -1).index_put((lanes, place), rivals)
        same = (group[:, :, None] == group[:, None, :]) & (group >= 0)[:, :, None]
        same |= torch.eye(most, dtype=torch.bool, device=same.device)
        mixed = (self.jobs(jobs, same) + jobs)[lanes, place]
        zero = windows.new_zeros(size)
        wait = zero.index_add(0, lanes, self.wait(mixed)) / counts
        # The actions of a question are its jobs in order, then No-Op.
        job_rows = torch.arange(len(lanes), device=lanes.device) + lanes
        wait_rows = counts.cumsum(0) + torch.arange(size, device=lanes.device)
        scores = windows.new_zeros(len(lanes) + size).index_put((job_rows,), self.job(mixed))
        return Scores(scores.index_put((wait_rows,), wait))

    def _windows(self, intervals: Tensor, positions: Tensor, tokens: Tensor, pad: Tensor) -> Tensor:
        known = torch.cat(
            [
                self.started(intervals[..., 0].long()),
                intervals[..., 1:3],
                self.next(intervals[..., 3].long()),
            ],
            dim=-1,
        )
        fake = (tokens > 0)[..., None]
        known = torch.where(fake, self.tokens(tokens), known)
        places = self.positions[positions].masked_fill(fake, 0.0)  # type: ignore[index]
        open_ = ~pad[:, None, :].expand(-1, pad.shape[1], -1)
        found: Tensor = self.window(self.project(known) + places, open_).mean(dim=1)
        return found


class _Layer(nn.Module):
    """A pre-norm transformer layer with one head, and no dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.between = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention = nn.Linear(WIDTH, 3 * WIDTH)
        nn.init.xavier_uniform_(self.attention.weight)
        nn.init.zeros_(self.attention.bias)
        self.mix = nn.Linear(WIDTH, WIDTH)
        nn.init.zeros_(self.mix.bias)
        self.inner = nn.Linear(WIDTH, FEED_FORWARD)
        self.outer = nn.Linear(FEED_FORWARD, WIDTH)

    def forward(self, x: Tensor, attends: Tensor) -> Tensor:
        """x of shape (batch, rows, 8); `attends` bool (batch, rows, rows), true where allowed."""
        query, key, value = self.attention(self.before(x)).chunk(3, dim=-1)
        score = query @ key.transpose(1, 2) / WIDTH**0.5
        share = score.masked_fill(~attends, -torch.inf).softmax(dim=-1)
        x = x + self.mix(share @ value)
        out: Tensor = x + self.outer(functional.relu(self.inner(self.between(x))))
        return out


class _Head(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(WIDTH, FEED_FORWARD), nn.Linear(FEED_FORWARD, 1)
        for layer, gain in ((self.inner, 2**0.5), (self.outer, 0.01)):
            nn.init.orthogonal_(layer.weight, gain)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.outer(torch.tanh(self.inner(x))).squeeze(-1)
        return out
