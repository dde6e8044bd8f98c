"""The tabu search of `tabu.py` in plain Python: slow, short, and on the same trajectory.

Nothing is incremental here. Every iteration computes heads and tails of the whole graph anew by
recursion over predecessors and successors, and reads the machine sequences from lists. Only the
draws from the generator happen in the same places, so a test can demand equal results.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from hocket.shop.search.dispatch import SplitMix
from hocket.shop.search.instance import Ints, Shop, sequences_of

Move = tuple[int, int, int]  # from path[i], to path[j], and 0 = i behind j or 1 = j before i


class _Schedule:
    """Machine sequences with the neighbours, heads and tails of every operation."""

    def __init__(self, shop: Shop, sequences: list[list[int]]) -> None:
        self.shop, self.sequences = shop, sequences
        job = shop.job.tolist()
        self.duration: list[int] = shop.duration.tolist()
        self.release: list[int] = shop.releases[shop.job].tolist()
        n = shop.operations
        self.job_pred = [x - 1 if x and job[x - 1] == job[x] else None for x in range(n)]
        self.job_succ = [x + 1 if x + 1 < n and job[x + 1] == job[x] else None for x in range(n)]
        self.update()

    def update(self) -> None:
        """Recompute everything from the machine sequences."""
        n = self.shop.operations
        self.pred: list[int | None] = [None] * n
        self.succ: list[int | None] = [None] * n
        for line in self.sequences:
            for x, y in pairwise(line):
                self.pred[y], self.succ[x] = x, y
        self.end = _longest([self.job_pred, self.pred], self.duration, self.release)
        self.tail = _longest([self.job_succ, self.succ], self.duration, [0] * n)

    @property
    def makespan(self) -> int:
        return max(self.end)

    def critical_path(self, random: SplitMix) -> list[int]:
        """One longest path; every tie is decided by chance."""
        x: int | None = None
        ties = 0
        for y in range(len(self.end)):
            if self.job_succ[y] is None and self.end[y] == self.makespan:
                ties += 1
                if ties == 1 or random.draw(ties) == 0:
                    x = y
        path: list[int] = []
        while x is not None:
            path.append(x)
            head = self.end[x] - self.duration[x]
            on_job, on_machine = self.job_pred[x], self.pred[x]
            job_tight = on_job is not None and self.end[on_job] == head
            machine_tight = on_machine is not None and self.end[on_machine] == head
            if machine_tight and not (job_tight and random.draw(2) == 0):
                x = on_machine
            else:
                x = on_job if job_tight else None
        return path[::-1]

    def blocks(self, path: list[int]) -> list[tuple[int, int]]:
        """First and last index of every run of machine neighbours on the path."""
        cuts = [k for k in range(1, len(path)) if self.pred[path[k]] != path[k - 1]]
        return list(zip([0, *cuts], [c - 1 for c in [*cuts, len(path)]], strict=True))

    def pairs(self, path: list[int]) -> list[tuple[int, int]]:
        """The pairs of N7: both in one block, one of them at its first or last place."""
        found = []
        for s, t in self.blocks(path):
            first = s == 0 and self.end[path[0]] == self.duration[path[0]]
            final = t == len(path) - 1
            all_pairs = [(s, j) for j in range(s + 1, t + 1)] + [(i, t) for i in range(s + 1, t)]
            found += [(i, j) for i, j in all_pairs if not ((first and j < t) or (final and i > s))]
        return found

    def closes_circle(self, u: int, v: int, direction: int) -> bool:
        """The sufficient test of Balas & Vazacopoulos, see `tabu.py`."""
        if direction == 0:
            x = self.job_succ[u]
            tail, duration = (0, 1) if x is None else (self.tail[x], self.duration[x])
            return x == v or self.tail[v] + duration <= tail
        x = self.job_pred[v]
        end, duration = (self.release[v], 1) if x is None else (self.end[x], self.duration[x])
        return x == u or self.end[u] + duration <= end

    def estimate(self, path: list[int], move: Move) -> int:
        """Longest path through the moved operations, by their heads and tails after the move."""
        line = _moved(path, move)
        before, after = self.pred[path[move[0]]], self.succ[path[move[1]]]
        ends, end = [], 0 if before is None else self.end[before]
        for x in line:
            y = self.job_pred[x]
            end = max(self.release[x] if y is None else self.end[y], end) + self.duration[x]
            ends.append(end)
        value, tail = 0, 0 if after is None else self.tail[after]
        for x, end in zip(line[::-1], ends[::-1], strict=True):
            y = self.job_succ[x]
            tail = max(0 if y is None else self.tail[y], tail) + self.duration[x]
            value = max(value, end - self.duration[x] + tail)
        return value

    def apply(self, path: list[int], move: Move) -> None:
        """Put the moved operations into their machine's sequence."""
        line = self.sequences[int(self.shop.machine[path[move[0]]])]
        k = line.index(path[move[0]])
        line[k : k + move[1] - move[0] + 1] = _moved(path, move)
        self.update()


def _moved(path: list[int], move: Move) -> list[int]:
    i, j, direction = move
    part = path[i : j + 1]
    return part[1:] + part[:1] if direction == 0 else part[-1:] + part[:-1]


def _longest(
    neighbours: list[list[int | None]], duration: list[int], least: list[int]
) -> list[int]:
    """For every operation: its duration plus the longest way through its neighbours."""
    length: list[int | None] = [None] * len(duration)
    for root in range(len(duration)):
        stack = [root]
        while stack:
            x = stack[-1]
            near = [link[x] for link in neighbours]
            todo = [y for y in near if y is not None and length[y] is None]
            if todo:
                stack += todo
                continue
            stack.pop()
            reach = [length[y] or 0 for y in near if y is not None]
            length[x] = max([least[x] if neighbours[0][x] is None else 0, *reach]) + duration[x]
    return [value or 0 for value in length]


def tabu_search(
    shop: Shop,
    order: Sequence[int] | Ints,
    *,
    patience: int,
    limit: int,
    target: int,
    tenure: tuple[int, int],
    state: int,
) -> tuple[int, list[list[int]], int]:
    """Best makespan, its machine sequences, and the iterations done; see ``tabu.Tabu.run``.

    `tenure` is the shortest and longest time a pair stays forbidden, `state` the generator's state.
    """
    random = SplitMix(state)
    schedule = _Schedule(shop, [line.tolist() for line in sequences_of(shop, order)])
    tabu: dict[tuple[int, int], int] = {}
    best, best_sequences, now, found = 1 << 62, schedule.sequences, 0, 0
    while True:
        if schedule.makespan < best:
            best, found = schedule.makespan, now
            best_sequences = [list(line) for line in schedule.sequences]
        if best <= target or now - found >= patience or now >= limit:
            return best, best_sequences, now
        path = schedule.critical_path(random)
        move = _choose(schedule, path, tabu, now, best, random)
        if move is None:
            return best, best_sequences, now
        until = now + tenure[0] + random.draw(tenure[1] - tenure[0] + 1)
        i, j, direction = move
        for k in range(i, j + 1):
            if direction == 0 and k > i:
                tabu[path[i], path[k]] = until
            if direction == 1 and k < j:
                tabu[path[k], path[j]] = until
        schedule.apply(path, move)
        now += 1


def _choose(
    schedule: _Schedule,
    path: list[int],
    tabu: dict[tuple[int, int], int],
    now: int,
    best: int,
    random: SplitMix,
) -> Move | None:
    """The admissible move with the least estimate; a random move if all are tabu."""
    moves: list[Move] = []
    chosen, value, ties = None, 1 << 62, 0
    for i, j in schedule.pairs(path):
        u, v = path[i], path[j]
        for direction in (0,) if j == i + 1 else (0, 1):
            if schedule.closes_circle(u, v, direction):
                continue
            moves.append((i, j, direction))
            estimate = schedule.estimate(path, moves[-1])
            if estimate > value or (tabu.get((v, u), 0) > now and estimate >= best):
                continue
            ties = ties + 1 if estimate == value else 1
            if ties == 1 or random.draw(ties) == 0:
                chosen, value = moves[-1], estimate
    if chosen is None and moves:
        return moves[random.draw(len(moves))]
    return chosen
