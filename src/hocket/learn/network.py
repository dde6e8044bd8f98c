"""What trainers ask of a network, and how its scores become choices. Needs PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from hocket.learn.batch import Batch


class Scores(NamedTuple):
    """`logits`: shape (actions of the batch,), masked or not; `values`: shape (size,), the cost
    that the network expects from each question on, or None if it has no such head."""

    logits: Tensor
    values: Tensor | None = None


class Tensors(NamedTuple):
    """A batch as tensors, on the device of the network; fields as in `Batch`.

    `lanes` gives, by table, which question each row belongs to: int64 of shape (rows,).
    """

    tables: dict[str, Tensor]
    lanes: dict[str, Tensor]
    links: dict[str, Tensor]
    mask: Tensor
    actions: str
    size: int


class Network(nn.Module):
    """Scores the actions of a batch of questions. Subclasses define ``forward``."""

    def forward(self, batch: Tensors) -> Scores:
        """The scores of each action; see `Scores`."""
        raise NotImplementedError(f"{type(self).__name__} has no forward(batch)")


def tensors(batch: Batch, device: torch.device | str = "cpu") -> Tensors:
    """Move a batch to tensors, without a copy on the CPU."""

    def of(array: npt.NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(device)

    return Tensors(
        tables={name: of(table) for name, table in batch.tables.items()},
        lanes={name: of(batch.lane(name)) for name in batch.tables},
        links={name: of(link.ends) for name, link in batch.links.items()},
        mask=of(batch.mask),
        actions=batch.actions,
        size=batch.size,
    )


def scorer(
    network: Network, weights: dict[str, npt.NDArray[np.float32]]
) -> Callable[[Batch], npt.NDArray[np.float32]]:
    """The network with these weights as a plain function; raises UserError if they do not fit."""
    from hocket.learn.weights import fit

    fit(network, weights)
    network.eval()

    def score(batch: Batch) -> npt.NDArray[np.float32]:
        with torch.inference_mode():
            logits: npt.NDArray[np.float32] = network(tensors(batch)).logits.numpy()
        return logits

    return score
