"""The network of the neural dispatching rule. Needs PyTorch; `forward` is its twin without."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hocket.learn.network import Network, Scores, Tensors
from hocket.learn.networks.segments import segment_count, segment_max, segment_mean
from hocket.shop.neural.ahead import MACHINE_FEATURES
from hocket.shop.neural.features import FEATURES


class Pointer(Network):
    """Points at one of the rivals for a machine.

    What a rival's job meets on the machines ahead is summed up as a set: a small network looks at
    each machine, and means and maxima over the machines say what it saw (Zaheer et al., "Deep
    sets", NeurIPS 2017). With that every rival is embedded by two layers. In the same way the mean
    and the maximum of all embeddings tell each rival whom it is up against, and a last hidden layer
    compares it with them.
    """

    def __init__(self, width: int = 96, glance: int = 24) -> None:
        """`width` of the hidden layers, and `glance` of those that look at a machine."""
        super().__init__()
        self.glance = nn.Linear(MACHINE_FEATURES, glance)
        self.look = nn.Linear(glance, glance)
        self.first = nn.Linear(FEATURES + 3 * glance, width)
        self.second = nn.Linear(width, width)
        self.own = nn.Linear(width, width)
        self.mean = nn.Linear(width, width, bias=False)
        self.most = nn.Linear(width, width, bias=False)
        self.score = nn.Linear(width, 1)

    def forward(self, batch: Tensors) -> Scores:
        """See Network.forward."""
        lanes, size = batch.lanes["rivals"], batch.size
        rows = torch.cat([batch.tables["rivals"], self.ahead(batch)], 1)
        rows = torch.relu(self.first(rows))
        rows = torch.relu(self.second(rows))
        field = self.mean(segment_mean(rows, lanes, size))
        field = field + self.most(segment_max(rows, lanes, size))
        compared = torch.relu(self.own(rows) + field[lanes])
        return Scores(self.score(compared).squeeze(1))

    def ahead(self, batch: Tensors) -> Tensor:
        """What each rival meets: on all machines, and on those that its job still visits."""
        lanes, machines = batch.lanes["rivals"], batch.tables["machines"]
        rows = segment_count(batch.lanes["machines"], batch.size)
        each = rows // segment_count(lanes, batch.size)
        rivals = torch.repeat_interleave(each[lanes])
        seen = torch.relu(self.look(torch.relu(self.glance(machines))))
        visited = seen * machines[:, :1]
        return torch.cat(
            [
                segment_mean(seen, rivals, len(lanes)),
                segment_mean(visited, rivals, len(lanes)),
                segment_max(visited, rivals, len(lanes)),
            ],
            1,
        )
