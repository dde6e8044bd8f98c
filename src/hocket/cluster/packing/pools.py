"""How the time is shared among the tiers: a part reserved for each, the rest to who needs it.

Christensen, Mauro and Giallorenzo, arXiv 2511.08373, and their code: of the time T, ``R = g T`` is
reserved in equal parts and ``U = T - R`` is for all. A tier may use its part and all of U; what its
stages really use is taken from U first.
"""

from __future__ import annotations


class Pools:
    """The reserved and the unreserved time, in seconds."""

    def __init__(self, seconds: float, reserved: float, share: float, tiers: int) -> None:
        """`reserved` is g; `share` (m) is the disruption stage's part of a tier's time."""
        self.floor = reserved * seconds
        self.free = seconds - self.floor
        self.share = share
        self.tiers = tiers

    def tier(self, left: float) -> float:
        """What the next tier may use, when so much is left in all."""
        return min(left, self.floor / max(self.tiers, 1) + self.free)

    def placing(self, cap: float) -> float:
        """What of a tier's time its search for places may use; the other stage gets the rest."""
        return cap * (1 - self.share)

    def use(self, seconds: float) -> None:
        """A stage took so long."""
        unreserved = min(seconds, self.free)
        self.free -= unreserved
        self.floor = max(self.floor - (seconds - unreserved), 0.0)

    def done(self) -> None:
        """A tier is over."""
        self.tiers -= 1
