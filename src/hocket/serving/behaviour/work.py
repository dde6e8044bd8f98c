"""The requests of the behaviour simulation, and its two sources of random numbers."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

Bounds = tuple[int, int]

DISTRIBUTIONS: dict[str, tuple[Bounds, Bounds]] = {
    "Dist-1": ((32, 4096), (2048, 4096)),
    "Dist-2": ((3000, 5000), (3000, 5000)),
    "Dist-3": ((2048, 4096), (32, 4096)),
}
"""Prompts and answers, each uniform on integers: decode-heavy, balanced, prefill-heavy."""


class Luck:
    """The generators of the artifact: Python's for requests and new lengths, NumPy's for others."""

    def __init__(self, seed: int) -> None:
        """`seed` is an integer from 0 to 2^32 - 1; the artifact's figures are those of 0."""
        self.python = random.Random(seed)
        self.numpy = np.random.RandomState(seed)


@dataclass(slots=True)
class Job:
    """A request: tokens of its `prompt`, of its answer (`output`), and how many are `done`.

    `born` is the decode step at which it would have begun had it never been evicted.
    """

    prompt: int
    output: int
    done: int = 0
    born: int = 0


def jobs(distribution: str, count: int, luck: Luck) -> Iterator[Job]:
    """`count` requests, each drawn when it is asked for."""
    prompts, outputs = DISTRIBUTIONS[distribution]
    for _ in range(count):
        yield Job(luck.python.randint(*prompts), luck.python.randint(*outputs))
