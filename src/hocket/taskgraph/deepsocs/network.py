"""The network of DeepSoCS. Needs PyTorch; `forward` is its twin in NumPy."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from hocket.learn.network import Network, Scores, Tensors
from hocket.learn.networks.segments import segment_mean, segment_sum
from hocket.taskgraph.deepsocs.features import WIDTH

EMBEDDED = 8
SLOPE = 0.2
"""Of the leaky ReLU below zero: the default of TensorFlow, in which the released code is."""


class Layers(nn.Module):
    """Linear layers, each followed by a leaky ReLU, also the last."""

    def __init__(self, *widths: int) -> None:
        """The widths of what comes in and of each layer."""
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))

    def forward(self, rows: Tensor) -> Tensor:
        """Shape (rows, first width) to (rows, last width)."""
        for layer in self.layers:
            rows = leaky_relu(layer(rows), SLOPE)
        return rows


class TaskScorer(Network):
    """Tasks know what comes after them, jobs their tasks, and the system its jobs.

    As in Decima (Mao et al., SIGCOMM 2019, section 5.1) with the sizes of gym_ds3: `depth` rounds
    of messages from children to parents, a summary of each job over its undone tasks and one of all
    jobs, and a head that scores a task by its features, its embedding and both summaries. These are
    normalised over the tasks of the question, which is what batch normalisation does there: a batch
    holds one question, in use as in training.
    """

    def __init__(self, depth: int) -> None:
        """All other sizes are fixed."""
        super().__init__()
        self.depth = depth
        self.prepare = Layers(WIDTH, 16, 8, EMBEDDED)
        self.of_child = Layers(EMBEDDED, 16, 8, EMBEDDED)
        self.of_sum = Layers(EMBEDDED, 16, 8, EMBEDDED)
        self.of_task = Layers(WIDTH + EMBEDDED, 16, 8, EMBEDDED)
        self.of_job = Layers(EMBEDDED, 16, 8, EMBEDDED)
        merged = WIDTH + 3 * EMBEDDED
        self.scale = nn.Parameter(torch.ones(merged))
        self.shift = nn.Parameter(torch.zeros(merged))
        self.head = Layers(merged, 32, 16, 8)
        self.score = nn.Linear(8, 1)

    def forward(self, batch: Tensors) -> Scores:
        """See Network.forward."""
        lanes, size = batch.lanes["tasks"], batch.size
        jobs = batch.tables["jobs"]
        job = batch.links["member"][1]  # of each task; every task has one, in order
        parents, children = batch.links["children"]
        rows = torch.cat([jobs[job], batch.tables["tasks"]], 1)
        known = self.prepare(rows)
        embedded = known
        has_children = known.new_zeros(len(known), 1).index_fill(0, parents, 1.0)
        for _ in range(self.depth):
            received = segment_sum(self.of_child(embedded)[children], parents, len(known))
            embedded = known + has_children * self.of_sum(received)
        of_jobs = segment_sum(self.of_task(torch.cat([rows, embedded], 1)), job, len(jobs))
        of_all = segment_sum(self.of_job(of_jobs), batch.lanes["jobs"], size)
        merged = torch.cat([rows, embedded, of_jobs[job], of_all[lanes]], 1)
        centred = merged - segment_mean(merged, lanes, size)[lanes]
        spread = segment_mean(centred.square(), lanes, size)[lanes]
        normal = centred / (spread + 1e-3).sqrt() * self.scale + self.shift
        return Scores(self.score(self.head(normal)).squeeze(1))
