"""What the exact methods return: a sequence, its value, and what is proven about it."""

from __future__ import annotations

from dataclasses import dataclass

from hocket.shop.tardiness.arrays import Ints


@dataclass(frozen=True, eq=False, slots=True)
class Proof:
    """The best sequence found, its total tardiness, and a lower bound on every sequence's.

    `nodes` counts the subproblems or branch-and-bound nodes that were opened.
    """

    sequence: Ints
    value: int
    bound: int
    nodes: int

    @property
    def proven(self) -> bool:
        """Whether the sequence is optimal."""
        return self.value == self.bound
