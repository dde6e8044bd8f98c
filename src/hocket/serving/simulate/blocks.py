"""The key-value memory of a replica: blocks taken and given back, and those whose content is known.

As vLLM keeps them (``v1/core/block_pool.py``): blocks without content are taken first, then those
with content that nobody uses, the one unused for longest before the others. The same content may
lie in memory more than once; the copy that was there first is the one that is shared.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import islice, takewhile
from operator import truth
from typing import Any


class Unit:
    """`unit_blocks` full blocks whose content is known, and how many requests use them now."""

    __slots__ = ("content", "users")

    def __init__(self, content: Hashable) -> None:
        self.content = content
        self.users = 1


class Own:
    """Units in a row that one request computed and nobody uses; -1 if no `owner` will ask again.

    They are given up from the end.
    """

    __slots__ = ("count", "owner")

    def __init__(self, owner: int, count: int) -> None:
        self.owner, self.count = owner, count


class Memory:
    """`total` blocks, in units of `unit_blocks` where their content is known."""

    __slots__ = (
        "_copies",
        "_free",
        "_idle",
        "_idle_units",
        "_known",
        "_own",
        "_used",
        "total",
        "unit_blocks",
    )

    def __init__(self, total: int, unit_blocks: int = 1) -> None:
        self.total, self.unit_blocks = total, unit_blocks
        self._free = total
        self._known: dict[Hashable, Unit] = {}
        self._copies: dict[Hashable, list[Unit]] = {}  # further ones of it, the oldest first
        self._idle: OrderedDict[Unit | Own, None] = OrderedDict()  # the longest unused first
        self._idle_units = 0
        self._own: dict[int, Own] = {}  # by the request that may ask for them again
        self._used = 0

    @property
    def available(self) -> int:
        """Blocks that can be taken, unused ones with content included."""
        return self._free + self._idle_units * self.unit_blocks

    @property
    def used(self) -> int:
        """Blocks that somebody uses."""
        return self.total - self.available

    @property
    def units_in_use(self) -> int:
        """Published units that somebody uses, each counted once."""
        return self._used

    def take(self, blocks: int) -> None:
        """Take blocks, of which so many must be available."""
        while self._free < blocks:
            first, given = next(iter(self._idle)), 1
            if isinstance(first, Own):
                given = min(first.count, -(-(blocks - self._free) // self.unit_blocks))
                first.count -= given
                if not first.count:
                    self._forget_own(first)
            else:
                del self._idle[first]
                self._forget(first)
            self._idle_units -= given
            self._free += given * self.unit_blocks
        self._free -= blocks

    def give(self, blocks: int) -> None:
        """Give blocks without content back."""
        self._free += blocks

    def match(self, contents: Iterable[Hashable], most: int) -> tuple[Unit, ...]:
        """The units of this content that are in memory, from the front, `most` at most."""
        find: Callable[[Hashable], Any] = self._known.get  # None for what is not there
        return tuple(takewhile(truth, map(find, islice(contents, most))))

    @staticmethod
    def idle(units: Iterable[Unit]) -> int:
        """How many of these units nobody uses."""
        return sum(not unit.users for unit in units)

    def acquire(self, units: Iterable[Unit]) -> None:
        """Use units that are in memory."""
        for unit in units:
            if not unit.users:
                del self._idle[unit]
                self._idle_units -= 1
                self._used += 1
            unit.users += 1

    def publish(self, content: Hashable) -> Unit:
        """Tell the content of `unit_blocks` blocks taken before; whoever took them uses the unit.

        If the content is in memory already, this is another copy of it.
        """
        unit = Unit(content)
        if self._known.setdefault(content, unit) is not unit:
            self._copies.setdefault(content, []).append(unit)
        self._used += 1
        return unit

    def retract(self, units: Sequence[Unit]) -> None:
        """Stop using units that are not computed after all; those of nobody else are given back."""
        for unit in reversed(units):
            unit.users -= 1
            if not unit.users:
                self._used -= 1
                self._free += self.unit_blocks
                self._forget(unit)

    def drop(self, units: Sequence[Unit]) -> None:
        """Stop using units; the ends of prefixes are given up before their beginnings."""
        for unit in reversed(units):
            unit.users -= 1
            if not unit.users:
                self._used -= 1
                self._idle[unit] = None
                self._idle_units += 1

    # Units that can only be of use to one request: a row of them is one entry.

    def lay(self, owner: int, count: int) -> None:
        """Give back `count` units that `owner` may ask for again, nobody if it is -1."""
        if not count:
            return
        self._idle_units += count
        last = next(reversed(self._idle), None)
        if owner < 0 and isinstance(last, Own) and last.owner < 0:
            last.count += count
            return
        row = Own(owner, count)
        self._idle[row] = None
        if owner >= 0:
            self._own[owner] = row

    def own(self, owner: int) -> int:
        """How many of a request's own units are still in memory, unused."""
        row = self._own.get(owner)
        return 0 if row is None else row.count

    def reclaim(self, owner: int) -> None:
        """A request uses its own units again."""
        row = self._own.get(owner)
        if row is not None:
            self._idle_units -= row.count
            self._forget_own(row)

    def _forget_own(self, row: Own) -> None:
        del self._idle[row]
        if self._own.get(row.owner) is row:
            del self._own[row.owner]

    def _forget(self, unit: Unit) -> None:
        """A copy is no longer there; of several the oldest left is the one that is shared."""
        copies = self._copies.get(unit.content)
        if copies is None:
            del self._known[unit.content]
            return
        if self._known[unit.content] is unit:
            self._known[unit.content] = copies.pop(0)
        else:
            copies.remove(unit)
        if not copies:
            del self._copies[unit.content]
