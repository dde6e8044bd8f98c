"""Which fleets of one configuration are still open, and which of them to simulate next.

A fleet is a point of a grid, one axis for each role, 1 to `most` replicas. One that fails refutes
all that have no more of any role; one that meets the SLO makes all that are not cheaper
uninteresting. The point to ask about is the one that is expected to close most of what is open.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from hocket.serving.capacity.fleet import Counts, rounded
from hocket.serving.capacity.probe import Limit

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

TRUST = 0.85
"""How sure a hint is at first; each surprise halves it."""


class Grid:
    """The fleets of a configuration, and what is known of them."""

    def __init__(
        self, price: Callable[[Counts], float], axes: int, most: int, hint: Counts, limit: float
    ) -> None:
        """`hint` is about what will be needed; fleets above the price `limit` do not matter."""
        shape = (most,) * axes
        ends = [np.arange(1, most + 1) for _ in range(axes)]
        each = [price((0,) * i + (1,) + (0,) * (axes - i - 1)) for i in range(axes)]
        self.prices: Floats = np.zeros(shape)
        for counts, one in zip(np.ix_(*ends), each, strict=True):
            self.prices += counts * one
        self.prices = rounded(self.prices)  # as the prices that it is compared with
        self.limit = limit
        self.refuted: Bools = np.zeros(shape, dtype=np.bool_)
        self.passed: Bools = np.zeros(shape, dtype=np.bool_)
        self.best: Counts | None = None
        self.hint = [min(max(1, count), most) for count in hint]
        self.trust, self.step = TRUST, 1

    def open(self) -> Bools:
        """The fleets that may meet the SLO and would be cheaper than the best known."""
        found = ~self.refuted & (self.prices <= self.limit)
        if self.best is not None:
            found &= self.prices < self._at(self.prices, self.best)
        return found

    def floor(self) -> float:
        """No fleet below this price meets the SLO; infinite if none does at all."""
        left = self.prices[~self.refuted]
        return float(left.min()) if left.size else float("inf")

    def ask(self) -> Counts | None:
        """The fleet to simulate next, None if everything is settled."""
        opened = self.open()
        if not opened.any():
            return None
        chance = np.where(opened, self._chances(), 0.0)
        chance /= chance.sum()
        if_fails = chance
        for axis in range(chance.ndim):
            if_fails = if_fails.cumsum(axis=axis)
        fails = self.trust * self._below_hint() + (1 - self.trust) * (1 - if_fails)
        score = fails * if_fails + (1 - fails) * self._dearer(chance)
        score[self.passed | ~(opened | self._plenty(opened))] = -1.0
        place = np.unravel_index(int(np.argmax(score)), score.shape)
        return tuple(int(i) + 1 for i in place)

    def tell(self, counts: Counts, meets: bool, limit: Limit) -> None:
        """What a simulation said: whether a fleet meets the SLO, and if not, what it lacks."""
        expected = all(count >= hint for count, hint in zip(counts, self.hint, strict=True))
        if meets != expected:
            self.trust /= 2
        if meets:
            self.passed[tuple(slice(count - 1, None) for count in counts)] = True
            price = self._at(self.prices, counts)
            if price <= self.limit and (
                self.best is None or price < self._at(self.prices, self.best)
            ):
                self.best = counts
            self.hint = [min(pair) for pair in zip(counts, self.hint, strict=True)]
            return
        self.refuted[tuple(slice(count) for count in counts)] = True
        if expected:
            self._raise(counts, limit)

    def _raise(self, counts: Counts, limit: Limit) -> None:
        """More than expected is needed: of the role whose part of the SLO was missed."""
        last = len(counts) - 1
        roles = {"ttft": (0,), "tpot": (last,), "gap": (last,)}.get(limit, range(last + 1))
        for axis in roles:
            self.hint[axis] = min(counts[axis] + self.step, self.refuted.shape[axis])
        self.step *= 2

    def _chances(self) -> Floats:
        """How likely each fleet is the one to be found: the dearer than expected, the less.

        There are the more of a price the higher it is; together they get less with its square.
        """
        expected = self._at(self.prices, tuple(self.hint))
        chances: Floats = np.minimum(1.0, expected / self.prices) ** (1 + self.prices.ndim)
        return chances

    def _dearer(self, chance: Floats) -> Floats:
        """For each fleet the chances of those that are not cheaper; 0 if it is too dear itself."""
        order = np.argsort(self.prices, axis=None, kind="stable")
        prices = self.prices.ravel()[order]
        above = np.append(np.cumsum(chance.ravel()[order][::-1])[::-1], 0.0)
        return np.asarray(above[np.searchsorted(prices, self.prices, side="left")])

    def _below_hint(self) -> Bools:
        """The fleets that have less of some role than is expected to be needed."""
        found: Bools = np.zeros(self.refuted.shape, dtype=np.bool_)
        for axis, hint in enumerate(self.hint):
            index: list[slice] = [slice(None)] * self.refuted.ndim
            index[axis] = slice(hint - 1)
            found[tuple(index)] = True
        return found

    def _plenty(self, opened: Bools) -> Bools:
        """Fleets with as many of the other role as any open one has, however dear they are.

        If such a fleet fails, every open one with no more of the first role does.
        """
        found: Bools = np.zeros(opened.shape, dtype=np.bool_)
        for axis in range(opened.ndim if opened.ndim > 1 else 0):
            line = self._line(opened, axis)
            unknown = np.flatnonzero(~self.refuted[line] & ~self.passed[line])
            if len(unknown):
                middle = (unknown[0] + unknown[-1]) // 2
                found[line][[middle, min(max(self.hint[axis] - 2, unknown[0]), unknown[-1])]] = True
        return found

    def _line(self, opened: Bools, axis: int) -> tuple[int | slice, ...]:
        """The grid along one axis, at the most of the other that any open fleet has."""
        most = [int(np.flatnonzero(opened.any(axis=1 - other))[-1]) for other in (0, 1)]
        return tuple(slice(0, most[i] + 1) if i == axis else most[i] for i in (0, 1))

    def _at(self, grid: Floats, counts: Counts) -> float:
        return float(grid[tuple(count - 1 for count in counts)])
