"""What was asked, and what was answered, in episodes played side by side."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hocket.learn.batch import Batch, Ints

Doubles = npt.NDArray[np.float64]


class Step(NamedTuple):
    """One round of questions. All arrays have one entry per question, in the order of `lanes`.

    - `lanes`: which episode asked
    - `rows`: the answers, counted within the question's own actions
    - `log_probs`: natural logarithm of the probability with which each was given, float32
    - `values`: the cost that the network expected from there on, float32; empty without such a head
    - `times`, `costs`: of the question, see `hocket.learn.asking.Question`
    """

    lanes: Ints
    batch: Batch
    rows: Ints
    log_probs: npt.NDArray[np.float32]
    values: npt.NDArray[np.float32]
    times: Ints
    costs: Doubles


class Answers(NamedTuple):
    """Episodes without their questions: the answers of each in order, counted within the question's
    own actions, and what each cost in the end: shape (episodes,)."""

    rows: list[Ints]
    costs: Doubles


class Rollout(NamedTuple):
    """Episodes, round by round, and what each of them cost in the end: shape (episodes,)."""

    steps: list[Step]
    costs: Doubles
