"""Rates: a token bucket, in whole numbers, so that nothing is ever rounded in a tenant's favour.

A bucket holds at most `burst` and fills with `rate` a second. What is taken must be there; what is
spent after the fact, such as the tokens of an answer, may leave a debt that has to fill up first.
Over any time t so at most ``burst + rate t`` is taken.
"""

from __future__ import annotations

from fractions import Fraction

SECOND = 1_000_000
"""Ticks per second."""


class TokenBucket:
    """One rate of one tenant. It begins full."""

    def __init__(self, rate: float | Fraction, burst: float | Fraction, now: int = 0) -> None:
        """`rate` a second, at most `burst` at once; both above 0. Times are ticks."""
        exact_rate, exact_burst = _exact(rate), _exact(burst)
        if exact_rate <= 0 or exact_burst <= 0:
            raise ValueError("a rate and its burst are greater than 0")
        # One unit is what makes the gain of a tick, the burst and 1 whole numbers all three.
        gain = exact_rate / SECOND
        self._unit = (gain.denominator * exact_burst.denominator) or 1
        self._gain = int(gain * self._unit)
        self._full = int(exact_burst * self._unit)
        self._level = self._full
        self._at = now

    def _fill(self, now: int) -> None:
        if now > self._at:  # a clock of several readers may seem to step back
            self._level = min(self._full, self._level + self._gain * (now - self._at))
            self._at = now

    def level(self, now: int) -> float:
        """What could be taken now; below 0 is a debt."""
        self._fill(now)
        return self._level / self._unit

    def full(self, now: int) -> bool:
        """Whether it holds all that it can."""
        self._fill(now)
        return self._level == self._full

    def wait(self, amount: int, now: int) -> int:
        """Ticks until `amount` can be taken; 0 if it can be now.

        More than the burst can never be there: it may be taken when the bucket is full, and leaves
        a debt, or it could not be asked for at all.
        """
        self._fill(now)
        lacking = min(amount * self._unit, self._full) - self._level
        return max(0, -(-lacking // self._gain))

    def take(self, amount: int, now: int) -> bool:
        """Take `amount` if that can be done now."""
        if self.wait(amount, now):
            return False
        self._level -= amount * self._unit
        return True

    def spend(self, amount: int, now: int) -> None:
        """Take `amount` whether it is there or not; a negative one gives back what was taken."""
        self._fill(now)
        self._level = min(self._full, self._level - amount * self._unit)


def _exact(value: float | Fraction) -> Fraction:
    exact = Fraction(value)
    return exact.limit_denominator(10**6) or exact
