"""Playing episodes with a network: sampled, to learn from, or greedy, to see how good it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hocket.core.errors import RunError
from hocket.core.interrupt import check
from hocket.learn.rollout import Answers, Doubles, Rollout, Step
from hocket.learn.sampling import greedy, sample

if TYPE_CHECKING:
    from hocket.learn.asking import Asking, Episode
    from hocket.learn.batch import Batch
    from hocket.learn.network import Network

Scored = tuple[npt.NDArray[np.floating[Any]], npt.NDArray[np.float32]]


def collect(
    policy: Asking, network: Network, episodes: Sequence[Episode], rng: np.random.Generator
) -> Rollout:
    """Play episodes side by side, each row drawn from the softmax of the network's scores.

    Raises what the policy's arena raises, and RunError for scores that are not finite.
    """
    arena = policy.arena(episodes)
    steps = []
    with scoring(network) as score:
        while (asked := arena.asked()) is not None:
            logits, values = score(asked.batch)
            rows, log_probs = sample(logits, asked.batch, rng)
            arena.answer(rows)
            steps.append(
                Step(asked.lanes, asked.batch, rows, log_probs, values, asked.times, asked.costs)
            )
    return Rollout(steps, arena.costs())


def answers(
    policy: Asking, network: Network, episodes: Sequence[Episode], rng: np.random.Generator
) -> Answers:
    """As `collect`, and with the same draws, but without keeping the questions."""
    arena = policy.arena(episodes)
    lanes, found = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    with scoring(network) as score:
        while (asked := arena.asked()) is not None:
            logits, _ = score(asked.batch)
            rows, _ = sample(logits, asked.batch, rng)
            arena.answer(rows)
            lanes.append(asked.lanes)
            found.append(rows)
    lane = np.concatenate(lanes)
    order = np.argsort(lane, kind="stable")
    ends = np.cumsum(np.bincount(lane, minlength=len(episodes)))
    by_episode = np.split(np.concatenate(found)[order], ends)[: len(episodes)]
    return Answers(by_episode, arena.costs())


def evaluate(policy: Asking, network: Network, episodes: Sequence[Episode]) -> Doubles:
    """What each episode costs when the row with the highest score is taken every time.

    Raises as `collect` does.
    """
    arena = policy.arena(episodes)
    with scoring(network) as score:
        while (asked := arena.asked()) is not None:
            logits, _ = score(asked.batch)
            arena.answer(greedy(logits, asked.batch))
    return arena.costs()


@contextmanager
def scoring(network: Network) -> Iterator[Any]:
    """A function from a batch to the network's logits and values in NumPy, without gradients.

    The network is in evaluation mode for the time of the block.
    """
    import torch

    from hocket.learn.network import tensors

    device = next((p.device for p in network.parameters()), torch.device("cpu"))
    empty = np.zeros(0, np.float32)

    def score(batch: Batch) -> Scored:
        check()
        logits, values = network(tensors(batch, device))
        if values is None:
            return logits.cpu().numpy(), empty
        found = values.cpu().numpy()
        if found.shape != (batch.size,):
            raise RunError(f"the network gave {found.shape} values for {batch.size} questions")
        return logits.cpu().numpy(), found.astype(np.float32, copy=False)

    was_training = network.training
    network.eval()
    try:
        with torch.inference_mode():
            yield score
    finally:
        network.train(was_training)
