"""Shops without buffers: jobs that wait for each other in a circle, and how not to get stuck."""

from __future__ import annotations

from collections.abc import Iterator

Choices = list[tuple[tuple[int, int], ...]]
Holds = dict[int, tuple[int, int]]
"""Per job in process: the machine that it holds, and the operation that comes next."""

Move = tuple[int, int]
"""An operation starts on a machine."""

LIMIT = 500
"""States that one search for a way out may visit. More would refuse hardly fewer moves."""


def find_circle(wants: dict[int, list[int]], longest: int) -> list[int]:
    """A circle of machines ``[a, b, ...]``: the job on a can move to b, and so round to a.

    ``wants[a]`` lists the occupied machines that the blocked job on a can use next. Only circles of
    at most `longest` machines count. Empty when there is none. Depth first in ascending order, so
    the answer depends on nothing but the state.
    """
    for root in sorted(wants):
        if root in wants[root]:
            return [root]
    if longest < 2:
        return []
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
        self.last: list[int] = []  # per operation, where its job's operations end
        for begin, end in zip(first, first[1:], strict=False):
            self.last += [end] * (end - begin)
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
        way: list[Move] = []
        again = True
        while again:
            again = False
            held = {machine for machine, _ in left.values()}
            for job, (machine, operation) in list(left.items()):
                moves = self._to_the_end(operation, self.first[job + 1], held - {machine})
                if moves is not None:
                    way += moves
                    del left[job]
                    held.discard(machine)
                    again = True
        return way, left

    def _to_the_end(self, operation: int, end: int, held: set[int]) -> list[Move] | None:
        moves = []
        for o in range(operation, end):
            machine = next((m for m, _ in self.choices[o] if m not in held), None)
            if machine is None:
                return None
            moves.append((o, machine))
        return moves

    def _options(self, left: Holds) -> Iterator[Move]:
        """The moves from a state; one alone if it cannot hurt.

        That is a move to a machine which no other job in process still needs: whoever leaves its
        machine earlier, for one that nobody misses, is in nobody's way.
        """
        held = {machine for machine, _ in left.values()}
        open_moves = [
            (job, operation, m)
            for job, (machine, operation) in left.items()
            for m, _ in self.choices[operation]
            if m == machine or m not in held
        ]
        for job, operation, machine in open_moves:
            if not any(self._needs(other, machine) for j, other in left.items() if j != job):
                return iter([(operation, machine)])
        open_moves.sort(key=lambda move: (self.last[move[1]] - move[1], move))
        return iter([(operation, machine) for _, operation, machine in open_moves])

    def _needs(self, state: tuple[int, int], machine: int) -> bool:
        following = range(state[1], self.last[state[1]])
        return any(m == machine for o in following for m, _ in self.choices[o])
