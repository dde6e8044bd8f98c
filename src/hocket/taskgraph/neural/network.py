"""The network of neural list scheduling. Needs PyTorch; `forward` is its twin in NumPy."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hocket.learn.network import Network, Scores, Tensors
from hocket.learn.networks.segments import segment_max, segment_mean
from hocket.taskgraph.neural.features import FEATURES


class PairScorer(Network):
    """Scores each row by itself and by what there is to choose from, as in deep sets.

    Zaheer et al., "Deep sets", NeurIPS 2017: each row is embedded, a question is the mean and the
    maximum over its rows, and a second layer scores a row beside its question. The expected cost
    from here on comes from the question alone.
    """

    def __init__(self, width: int) -> None:
        """`width` is that of all layers."""
        super().__init__()
        self.embed = nn.Linear(len(FEATURES), width)
        self.beside = nn.Linear(3 * width, width)
        self.score = nn.Linear(width, 1)
        self.expect = nn.Linear(2 * width, width)
        self.value = nn.Linear(width, 1)
        with torch.no_grad():  # begin almost undecided, and expecting nothing
            for last in (self.score, self.value):
                last.weight.mul_(0.1)
                last.bias.zero_()

    def forward(self, batch: Tensors) -> Scores:
        """See Network.forward."""
        rows: Tensor = torch.relu(self.embed(batch.tables["pairs"]))
        lanes, size = batch.lanes["pairs"], batch.size
        whole = torch.cat([segment_mean(rows, lanes, size), segment_max(rows, lanes, size)], 1)
        beside = torch.relu(self.beside(torch.cat([rows, whole[lanes]], 1)))
        expected = torch.relu(self.expect(whole))
        return Scores(self.score(beside).squeeze(1), self.value(expected).squeeze(1))
