"""Questions with the right answer, and one step of learning from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from hocket.core.errors import UserError
from hocket.learn.asking import Asking, Episode
from hocket.learn.batch import Batch, Ints, join
from hocket.learn.network import tensors
from hocket.learn.networks.segments import log_softmax
from hocket.learn.trainers.gradient import GradientLearner


class Labelled(NamedTuple):
    """Questions, and the row that answers each, counted within the question."""

    batch: Batch
    rows: Ints


def replay(policy: Asking, episodes: Sequence[Episode], answers: Sequence[Ints]) -> Labelled:
    """Play episodes with known answers, one array for each, and keep the questions."""
    arena = policy.arena(episodes)
    told = np.zeros(len(episodes), np.int64)
    batches: list[Batch] = []
    labels: list[Ints] = []
    while (asked := arena.asked()) is not None:
        places = zip(asked.lanes.tolist(), told[asked.lanes].tolist(), strict=True)
        labels.append(np.array([answers[lane][place] for lane, place in places], np.int64))
        batches.append(asked.batch)
        told[asked.lanes] += 1
        arena.answer(labels[-1])
    return together(batches, labels)


def together(batches: Sequence[Batch], labels: Sequence[Ints]) -> Labelled:
    """Rounds of questions as one. Raises UserError if nothing was asked at all."""
    if not batches:
        raise UserError("these episodes ask nothing, so there is nothing to learn from them")
    return Labelled(join(batches), np.concatenate(labels))


def imitate_step(
    learner: GradientLearner[Any], labelled: Labelled, chosen: Ints
) -> dict[str, float]:
    """One gradient step towards the labels of some questions: their mean cross-entropy."""
    batch = labelled.batch.take(chosen)
    inputs = tensors(batch, learner.device)
    logits = learner.network(inputs).logits
    logs = log_softmax(logits, inputs.mask, inputs.lanes[batch.actions], batch.size)
    rows = batch.bounds[:-1] + labelled.rows[chosen]
    loss = -logs[torch.from_numpy(rows).to(learner.device)].mean()
    norm = learner.descend(loss)
    return {"loss": float(loss.detach()), "grad_norm": norm}
