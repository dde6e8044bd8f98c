"""The random numbers of the published job-shop generators.

Bratley, Fox and Schrage's generator as Taillard (1993, figure 1) prescribes it, so that an instance
is its seed: the numbers must be these and no better ones. Everything else in hocket draws from
`hocket.core.streams`.
"""

from __future__ import annotations

from hocket.core.errors import UserError

MODULUS = 2**31 - 1
_MULTIPLIER = 16807


class Lehmer:
    """The sequence x <- 16807 x mod (2^31 - 1), from a seed between 1 and 2^31 - 2."""

    def __init__(self, seed: int) -> None:
        if not 0 < seed < MODULUS:
            raise UserError(f"a seed of this generator is from 1 to {MODULUS - 1}, not {seed}")
        self.state = seed

    def draw(self) -> int:
        """The next number, from 1 to 2^31 - 2."""
        self.state = _MULTIPLIER * self.state % MODULUS
        return self.state

    def uniform(self, low: int, high: int) -> int:
        """The next integer from `low` to `high`, both included, rounded as Taillard's code does."""
        return low + int(self.draw() / MODULUS * (high - low + 1))
