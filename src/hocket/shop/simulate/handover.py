"""Shops without buffers: jobs that wait for each other in a circle, and how not to get stuck."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, pairwise
from operator import or_

Choices = list[tuple[tuple[int, int], ...]]
Holds = dict[int, tuple[int, int]]
"""Per job in process: the machine that it holds, and the operation that comes next."""

Move = tuple[int, int]
"""An operation starts on a machine."""

LIMIT = 200
"""States that one search for a way out may visit; with more, hardly fewer moves are refused."""


def find_circle(wants: dict[int, list[int]]) -> list[int]:
    """A circle of machines ``[a, b, ...]``: the job on a can move to b, and so round to a.

    ``wants[a]`` lists the occupied machines that the blocked job on a can use next. Empty when
    there is none. Depth first in ascending order, so the answer depends on nothing but the state.
    """
    for root in sorted(wants):
        if root in wants[root]:
            return [root]
    finished: set[int] = set()
    for root in sorted(wants):
        circle = _search(root, wants, [], finished)
        if circle:
            return circle
    return []


def _search(
    node: int, wants: dict[int, list[int]], path: list[int], finished: set[int]
) -> list[int]:
    if node in path:
        return path[path.index(node) :]
    if node in finished:
        return []
    path.append(node)
    for following in wants.get(node, ()):
        if circle := _search(following, wants, path, finished):
            return circle
    path.pop()
    finished.add(node)
    return []


class Escape:
    """Keeps a shop without swaps out of deadlocks: it knows a way for every job to get out.

    A way is a list of moves after which all jobs in process are done. A move is allowed if it is
    the first of the known way, or if a new way can be found from the state after it. So the next
    move of the known way is always open, and the shop never gets stuck, however early a search is
    cut off; a cut only refuses moves that would have been safe.
    """

    def __init__(self, choices: Choices, first: list[int]) -> None:
        """``choices[o]`` and ``first`` as in `ShopArrays`; the shop is empty."""
        self.choices, self.first = choices, first
        # Sets of machines as bits of an integer. `able[o]`: those that can do operation o;
        # `needs[o]`: those that its job may use from o on; `left[o]`: operations from o to its end.
        self.able = [sum(1 << m for m, _ in pairs) for pairs in choices]
        self.flexible = any(len(pairs) > 1 for pairs in choices)
        self.needs: list[int] = []
        self.left: list[int] = []
        for begin, end in pairwise(first):
            machines = accumulate(reversed(self.able[begin:end]), or_)
            self.needs += reversed(list(machines))
            self.left += range(end - begin, 0, -1)
        self.way: list[Move] = []
        self.known: dict[Move, list[Move]] = {}  # ways that begin with a move from here
        self.hopeless: set[tuple[tuple[int, tuple[int, int]], ...]] = set()

    def allows(self, holds: Holds, job: int, move: Move) -> bool:
        """Whether, after `move` of `job`, all jobs in process can be finished without a swap."""
        if move in self.known:
            return True
        if self.way and self.way[0] == move:
            self.known[move] = self.way[1:]
            return True
        operation, machine = move
        way = self.way_out({**holds, job: (machine, operation + 1)})
        if way is None:
            return False
        self.known[move] = way
        return True

    def take(self, move: Move) -> None:
        """An allowed move was made."""
        self.way = self.known.pop(move)
        self.known.clear()

    def way_out(self, holds: Holds) -> list[Move] | None:
        """Moves that finish all jobs in process; None where none is found within the limit.

        Depth first over the states that can be reached, in an order that depends on the state
        alone. What cannot hurt is done without a choice: see `_settle` and `_options`.
        """
        way, left = self._settle(holds)
        path = [(way, left, self._options(left))]
        visited = 0
        while left:
            for operation, machine in path[-1][2]:
                job = next(j for j, (_, following) in left.items() if following == operation)
                way, rest = self._settle({**left, job: (machine, operation + 1)})
                if tuple(rest.items()) not in self.hopeless:
                    visited += 1
                    left = rest
                    path.append(([(operation, machine), *way], left, self._options(left)))
                    break
            else:
                self.hopeless.add(tuple(left.items()))
                path.pop()
                if not path:
                    return None
                left = path[-1][1]
            if visited > LIMIT:
                return None
        return [move for moves, _, _ in path for move in moves]

    def _settle(self, holds: Holds) -> tuple[list[Move], Holds]:
        """Finish every job that can run to its end over machines which nobody else holds.

        The step of the Banker's algorithm (Dijkstra 1965). A job that is gone is in nobody's way,
        so this loses no way out. Returns the moves, and the jobs that are left, ascending.
        """
        left = dict(sorted(holds.items()))
        held = _bits(left)
        way: list[Move] = []
        again = True
        while again:
            again = False
            for job, (machine, operation) in list(left.items()):
                others = held & ~(1 << machine)
                rest = range(operation, self.first[job + 1])
                clear = not rest or not self.needs[operation] & others
                if clear or (self.flexible and all(self.able[o] & ~others for o in rest)):
                    way += [(o, self._outside(o, others)) for o in rest]
                    del left[job]
                    held = others
                    again = True
        return way, left

    def _outside(self, operation: int, machines: int) -> int:
        """The first machine for an operation that is not among `machines`."""
        return next(m for m, _ in self.choices[operation] if not machines >> m & 1)

    def _options(self, left: Holds) -> Iterator[Move]:
        """The moves from a state; one alone if it cannot hurt.

        That is a move to a machine which no other job in process still needs: whoever leaves its
        machine earlier, for one that nobody misses, is in nobody's way.
        """
        held = _bits(left)
        open_moves = [
            (job, operation, m)
            for job, (machine, operation) in left.items()
            for m, _ in self.choices[operation]
            if m == machine or not held >> m & 1
        ]
        for job, operation, machine in open_moves:
            needs = (self.needs[o] for j, (_, o) in left.items() if j != job)
            if not any(need >> machine & 1 for need in needs):
                return iter([(operation, machine)])
        open_moves.sort(key=lambda move: (self.left[move[1]], move))
        return iter([(operation, machine) for _, operation, machine in open_moves])


def _bits(holds: Holds) -> int:
    """The machines that jobs hold, as bits."""
    return sum(1 << machine for machine, _ in holds.values())
