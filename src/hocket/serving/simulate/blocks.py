"""The key-value memory of a replica: blocks taken and given back, and prefixes that are shared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class Memory:
    """`total` blocks. A prefix is known by the ids of its units, of `unit_blocks` blocks each.

    A unit in use is counted by its users; one that nobody uses stays until its blocks are needed,
    the one unused for longest being given up first.
    """

    __slots__ = ("_free", "_idle", "_users", "total", "unit_blocks")

    def __init__(self, total: int, unit_blocks: int = 1) -> None:
        self.total, self.unit_blocks = total, unit_blocks
        self._free = total
        self._users: dict[int, int] = {}
        self._idle: dict[int, None] = {}  # units without users, the longest unused first

    @property
    def available(self) -> int:
        """Blocks that can be taken, those of unused prefixes included."""
        return self._free + len(self._idle) * self.unit_blocks

    @property
    def used(self) -> int:
        """Blocks that somebody uses."""
        return self.total - self.available

    @property
    def units_in_use(self) -> int:
        """Prefix units that somebody uses, each counted once."""
        return len(self._users) - len(self._idle)

    def take(self, blocks: int) -> None:
        """Take blocks, of which so many must be available."""
        while self._free < blocks:
            unit = next(iter(self._idle))
            del self._idle[unit], self._users[unit]
            self._free += self.unit_blocks
        self._free -= blocks

    def give(self, blocks: int) -> None:
        """Give blocks back."""
        self._free += blocks

    def match(self, units: Sequence[int]) -> int:
        """How many units from the front are in memory."""
        for n, unit in enumerate(units):
            if unit not in self._users:
                return n
        return len(units)

    def idle(self, units: Iterable[int]) -> int:
        """How many of these units nobody uses."""
        return sum(unit in self._idle for unit in units)

    def acquire(self, units: Iterable[int]) -> None:
        """Use units that are in memory."""
        for unit in units:
            self._users[unit] += 1
            self._idle.pop(unit, None)

    def publish(self, unit: int) -> bool:
        """Turn `unit_blocks` blocks taken before into a shared unit with one user.

        False if the unit is in memory already: the blocks then stay their owner's.
        """
        if unit in self._users:
            return False
        self._users[unit] = 1
        return True

    def drop(self, units: Sequence[int]) -> None:
        """Stop using units; the ends of prefixes are given up before their beginnings."""
        for unit in reversed(units):
            self._users[unit] -= 1
            if not self._users[unit]:
                self._idle[unit] = None
