"""Tabu search for the job shop: the compiled kernel.

A schedule is a directed graph: every operation has a job predecessor and a machine predecessor.
Its longest path is the makespan, and only moves of operations inside a *critical block* (a run of
operations on one machine along that path) can shorten it. The neighbourhood is N7 (Zhang, Li,
Guan & Rao 2007): move an operation of a block to either end of it, or an end into it. Candidates
are ranked by the estimate of Balas & Vazacopoulos (1998): new heads and tails of the moved
operations only. After a move the topological order is repaired in the window between the two
positions, and heads and tails are recomputed from there on.

`reference.py` walks the same trajectory in plain Python. Everything compiled that belongs together
is in this one file because numba's disk cache notices only changes of the file a kernel is in.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hocket.shop.search.compiled import draw, inlined, jit
from hocket.shop.search.instance import Ints, Shop

TABU_SLOTS = 1 << 16  # exact for up to 256 operations, rare false alarms beyond
FORWARD, BACKWARD = 0, 1


@inlined
def _heads(order: Any, low: int, duration: Any, job_pred: Any, pred: Any, end: Any) -> None:
    for i in range(low, order.size):
        x = order[i]
        end[x] = max(end[job_pred[x]], end[pred[x]]) + duration[x]


@inlined
def _tails(order: Any, high: int, duration: Any, job_succ: Any, succ: Any, tail: Any) -> None:
    for i in range(high, -1, -1):
        x = order[i]
        tail[x] = max(tail[job_succ[x]], tail[succ[x]]) + duration[x]


@inlined
def _link(order: Any, machine: Any, position: Any, pred: Any, succ: Any, latest: Any) -> None:
    """Build the machine sequences from the line of operations; `latest` is scratch."""
    n = order.size
    latest[:] = n
    for i in range(n):
        x = order[i]
        y = latest[machine[x]]
        latest[machine[x]] = x
        position[x] = i
        pred[x] = y
        succ[y] = x
        succ[x] = n
    succ[n] = n


@inlined
def _critical_path(
    n: int, makespan: int, last: Any, duration: Any, job_pred: Any, pred: Any, end: Any,
    path: Any, spare: Any, random: Any,
) -> Any:  # fmt: skip
    """Write one longest path, chosen at random at every tie, into `path`; its length."""
    ties, x = 0, np.uint32(n)
    for y in last:
        if end[y] == makespan:
            ties += 1
            if ties == 1 or draw(random, ties) == 0:
                x = y
    length = 0
    while x < n:
        spare[length] = x
        length += 1
        head = end[x] - duration[x]
        on_job, on_machine = job_pred[x], pred[x]
        job_tight = on_job < n and end[on_job] == head
        machine_tight = on_machine < n and end[on_machine] == head
        if machine_tight and not (job_tight and draw(random, 2) == 0):
            x = on_machine
        else:
            x = on_job if job_tight else np.uint32(n)
    for k in range(length):
        path[k] = spare[length - 1 - k]
    return length


@inlined
def _estimate_forward(
    i: int, j: int, path: Any, shift: Any,
    duration: Any, job_pred: Any, job_succ: Any, pred: Any, succ: Any, end: Any, tail: Any,
) -> Any:  # fmt: skip
    """Longest path through path[i..j] once path[i] runs right after path[j]."""
    u = path[i]
    head = end[pred[u]]
    for k in range(i + 1, j + 1):
        x = path[k]
        shift[k] = max(end[job_pred[x]], head)
        head = shift[k] + duration[x]
    left = duration[u] + max(tail[job_succ[u]], tail[succ[path[j]]])
    value = max(end[job_pred[u]], head) + left
    for k in range(j, i, -1):
        x = path[k]
        left = duration[x] + max(tail[job_succ[x]], left)
        value = max(value, shift[k] + left)
    return value


@inlined
def _estimate_backward(
    i: int, j: int, path: Any, shift: Any,
    duration: Any, job_pred: Any, job_succ: Any, pred: Any, succ: Any, end: Any, tail: Any,
) -> Any:  # fmt: skip
    """Longest path through path[i..j] once path[j] runs right before path[i]."""
    v = path[j]
    left = tail[succ[v]]
    for k in range(j - 1, i - 1, -1):
        x = path[k]
        shift[k] = max(tail[job_succ[x]], left)
        left = shift[k] + duration[x]
    head = duration[v] + max(end[job_pred[v]], end[pred[path[i]]])
    value = max(tail[job_succ[v]], left) + head
    for k in range(i, j):
        x = path[k]
        head = duration[x] + max(end[job_pred[x]], head)
        value = max(value, shift[k] + head)
    return value


@inlined
def _slot(x: int, y: int, n: int) -> Any:
    """Where the tabu table keeps "x before y"."""
    return (np.int64(x) * n + np.int64(y)) & (TABU_SLOTS - 1)


@inlined
def _circle_behind(u: int, v: int, duration: Any, job_succ: Any, tail: Any) -> bool:
    """Whether u's job successor might have to precede v, so that u cannot run behind v.

    If it had, it would be v itself, or its tail at least its duration plus v's tail (Balas &
    Vazacopoulos 1998, proposition 2.2, sharpened by the duration).
    """
    x = job_succ[u]
    return bool((x == v) | (tail[v] + duration[x] <= tail[x]))


@inlined
def _circle_before(u: int, v: int, duration: Any, job_pred: Any, end: Any) -> bool:
    """Whether v's job predecessor might have to follow u, so that v cannot run before u."""
    x = job_pred[v]
    return bool((x == u) | (end[u] + duration[x] <= end[x]))


@inlined
def _choose(
    n: int, length: int, now: int, best: int,
    duration: Any, job_pred: Any, job_succ: Any, pred: Any, succ: Any, end: Any, tail: Any,
    path: Any, shift: Any, pairs: Any, moves: Any, tabu: Any, random: Any,
) -> tuple[Any, Any, Any]:  # fmt: skip
    """The best admissible move (i, j, direction), a random one if all are tabu, or i = -1."""
    value, ties, ci, cj, cd, seen = np.int64(1) << 62, 0, -1, -1, 0, 0
    for pair in range(_pairs(length, duration, pred, end, path, pairs)):
        i, j = pairs[pair, 0], pairs[pair, 1]
        u, v = path[i], path[j]
        forbidden = tabu[_slot(v, u, n)] > now
        for direction in range(1 if j == i + 1 else 2):
            if direction == FORWARD:
                if _circle_behind(u, v, duration, job_succ, tail):
                    continue
                estimate = _estimate_forward(
                    i, j, path, shift, duration, job_pred, job_succ, pred, succ, end, tail
                )
            else:
                if _circle_before(u, v, duration, job_pred, end):
                    continue
                estimate = _estimate_backward(
                    i, j, path, shift, duration, job_pred, job_succ, pred, succ, end, tail
                )
            moves[seen, 0], moves[seen, 1], moves[seen, 2] = i, j, direction
            seen += 1
            if estimate > value or (forbidden and estimate >= best):
                continue
            ties = ties + 1 if estimate == value else 1
            if ties == 1 or draw(random, ties) == 0:
                value, ci, cj, cd = np.int64(estimate), i, j, direction
    if ci < 0 and seen > 0:
        k = draw(random, seen)
        return moves[k, 0], moves[k, 1], moves[k, 2]
    return ci, cj, cd


@inlined
def _pairs(length: int, duration: Any, pred: Any, end: Any, path: Any, pairs: Any) -> int:
    """Write the pairs (i, j) of N7: both in one block, one of them at its end; how many."""
    opening = end[path[0]] == duration[path[0]]  # nothing is gained before time zero
    s = count = 0
    while s < length:
        t = s
        while t + 1 < length and pred[path[t + 1]] == path[t]:
            t += 1
        first, final = s == 0 and opening, t == length - 1
        for k in range(2 * (t - s) - 1):  # (s, s+1..t), then (s+1..t-1, t)
            i = s if k < t - s else k + 1 - (t - s) + s
            j = s + 1 + k if k < t - s else t
            if (first and j < t) or (final and i > s):
                continue  # moves inside the schedule's opening or final block gain nothing
            pairs[count, 0], pairs[count, 1] = i, j
            count += 1
        s = t + 1
    return count


@inlined
def _forbid(path: Any, i: int, j: int, direction: int, until: int, n: int, tabu: Any) -> None:
    """Forbid to restore any of the pairs that moving path[i..j] turns around."""
    if direction == FORWARD:
        for k in range(i + 1, j + 1):
            tabu[_slot(path[i], path[k], n)] = until
    else:
        for k in range(i, j):
            tabu[_slot(path[k], path[j], n)] = until


@inlined
def _move_behind(
    u: int, v: int, mark: int,
    job_pred: Any, pred: Any, succ: Any, order: Any, position: Any, stamp: Any, spare: Any,
) -> None:  # fmt: skip
    """Run u right after v on their machine, and repair the topological order between them."""
    low, high = np.int64(position[u]), np.int64(position[v])
    before, inner, after = pred[u], succ[u], succ[v]
    succ[before], pred[inner] = inner, before
    succ[v], pred[u] = u, v
    succ[u], pred[after] = after, u
    stamp[u] = mark
    put, held = low, 0
    for i in range(low, high + 1):
        x = order[i]
        if x == u or stamp[job_pred[x]] == mark or stamp[pred[x]] == mark:
            stamp[x] = mark  # u and what depends on it go behind v
            spare[held] = x
            held += 1
        else:
            order[put] = x
            position[x] = put
            put += 1
    for k in range(held):
        order[put + k] = spare[k]
        position[spare[k]] = put + k


@inlined
def _move_before(
    u: int, v: int, mark: int,
    job_succ: Any, pred: Any, succ: Any, order: Any, position: Any, stamp: Any, spare: Any,
) -> None:  # fmt: skip
    """Run v right before u on their machine, and repair the topological order between them."""
    low, high = np.int64(position[u]), np.int64(position[v])
    before, inner, after = pred[u], pred[v], succ[v]
    pred[after], succ[inner] = inner, after
    pred[u], succ[v] = v, u
    pred[v], succ[before] = before, v
    stamp[v] = mark
    put, held = high, 0
    for i in range(high, low - 1, -1):
        x = order[i]
        if x == v or stamp[job_succ[x]] == mark or stamp[succ[x]] == mark:
            stamp[x] = mark  # v and what it depends on go before u
            spare[held] = x
            held += 1
        else:
            order[put] = x
            position[x] = put
            put -= 1
    for k in range(held):
        order[put - k] = spare[k]
        position[spare[k]] = put - k


@jit
def _search(
    duration: Any, job_pred: Any, job_succ: Any, machine: Any, last: Any, release: Any,
    machines: int, order: Any, best_order: Any, patience: int, limit: int, target: int,
    tenure_low: int, tenure_high: int, random: Any, stop: Any,
) -> tuple[Any, Any]:  # fmt: skip
    """Walk from `order`; leaves the best line in `best_order`. (makespan, iterations)."""
    n = order.size
    end, tail = np.zeros(n + 1 + release.size, duration.dtype), np.zeros(n + 1, duration.dtype)
    pred, succ = np.full(n + 1, n, np.uint32), np.full(n + 1, n, np.uint32)
    position, stamp = np.zeros(n + 1, np.uint32), np.zeros(end.size, np.uint32)
    path, spare = np.zeros(n + 1, np.uint32), np.zeros(n + 1, np.uint32)
    shift, tabu = np.zeros(n + 1, duration.dtype), np.zeros(TABU_SLOTS, np.int32)
    pairs, moves = np.zeros((2 * n, 2), np.int64), np.zeros((4 * n, 3), np.int64)
    end[n + 1 :] = release
    _link(order, machine, position, pred, succ, np.zeros(machines, np.uint32))
    _heads(order, 0, duration, job_pred, pred, end)
    _tails(order, n - 1, duration, job_succ, succ, tail)
    best, now, found = np.int64(1) << 62, 0, 0
    while True:
        makespan = np.int64(0)
        for x in last:
            makespan = max(makespan, np.int64(end[x]))
        if makespan < best:
            best, found = makespan, now
            best_order[:] = order
        if best <= target or now - found >= patience or now >= limit or stop[0] != 0:
            break
        length = _critical_path(
            n, makespan, last, duration, job_pred, pred, end, path, spare, random
        )
        i, j, direction = _choose(
            n, length, now, best, duration, job_pred, job_succ, pred, succ, end, tail,
            path, shift, pairs, moves, tabu, random,
        )  # fmt: skip
        if i < 0:
            break
        tenure = tenure_low + draw(random, tenure_high - tenure_low + 1)
        _forbid(path, i, j, direction, now + tenure, n, tabu)
        now += 1
        u, v, mark = path[i], path[j], np.uint32(now)
        low, high = np.int64(position[u]), np.int64(position[v])
        if direction == FORWARD:
            _move_behind(u, v, mark, job_pred, pred, succ, order, position, stamp, spare)
        else:
            _move_before(u, v, mark, job_succ, pred, succ, order, position, stamp, spare)
        pred[n] = succ[n] = n
        _heads(order, low, duration, job_pred, pred, end)
        _tails(order, high, duration, job_succ, succ, tail)
    return best, now


def graph_of(shop: Shop) -> tuple[Any, ...]:
    """The arrays of `_search` that describe the shop.

    Besides the n operations there are the nodes n, "none", and n+1+j, the release of job j. They
    have the duration 1, so that they never look like part of a circle. Times take 32 bits where
    the horizon allows it, half the memory traffic.
    """
    n, first = shop.operations, shop.job_start[:-1].astype(np.int64)
    horizon = sum(shop.duration.tolist()) + int(shop.releases.max(initial=0))
    ticks = np.int32 if horizon < 1 << 29 else np.int64
    used = np.flatnonzero(np.diff(shop.job_start))
    last = shop.job_start[1:][used].astype(np.int64) - 1
    job_pred, job_succ = np.arange(-1, n - 1), np.arange(1, n + 1)
    job_pred[first[used]] = n + 1 + used
    job_succ[last] = n
    return (
        np.append(shop.duration, np.ones(1 + shop.jobs, np.int64)).astype(ticks),
        job_pred.astype(np.uint32),
        job_succ.astype(np.uint32),
        shop.machine.astype(np.uint32),
        last.astype(np.uint32),
        shop.releases.astype(ticks),
        shop.machines,
    )


def tenure(shop: Shop) -> tuple[int, int]:
    """Shortest and longest tabu tenure: L and 1.4 L (1.5 L if jobs > 2 machines), L = 10 + J / M.

    Zhang, Li, Rao & Guan 2008 (TS/SA), section 3.
    """
    low = 10 + shop.jobs // max(shop.machines, 1)
    return low, int(low * (1.4 if shop.jobs <= 2 * shop.machines else 1.5))


def seed_sequence(seed: int | np.random.SeedSequence) -> np.random.SeedSequence:
    """`seed` as a seed sequence."""
    return np.random.SeedSequence(seed) if isinstance(seed, int) else seed


class Tabu:
    """Tabu search from given lines, one after another, on one stream of random numbers."""

    def __init__(self, shop: Shop, seed: int | np.random.SeedSequence) -> None:
        """`seed` starts the kernel's own generator."""
        self.graph = graph_of(shop)
        self.tenure = tenure(shop)
        self.random = seed_sequence(seed).generate_state(1, np.uint64)
        self.iterations = 0

    def run(
        self, order: Ints, *, patience: int, limit: int, target: int = 0, stop: Any = None
    ) -> tuple[int, Ints]:
        """The best makespan met on the walk from `order`, and its line ``int64[N]``.

        Ends after `limit` iterations, after `patience` iterations without a new best, at a
        makespan of `target` or less, or when another thread sets ``stop[0]`` (``uint8[1]``).
        """
        best = np.array(order, np.uint32)
        value, done = _search(
            *self.graph,
            np.array(order, np.uint32),
            best,
            patience,
            limit,
            target,
            *self.tenure,
            self.random,
            np.zeros(1, np.uint8) if stop is None else stop,
        )
        self.iterations += done
        return int(value), best.astype(np.int64)
