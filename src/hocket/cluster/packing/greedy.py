"""Assignments without search: what waits goes where it fits best, what runs stays.

Pods are taken in the order of size and go to the node whose free amounts are most like what they
ask for, as in Panigrahy, Talwar, Uyeda and Wieder, Heuristics for Vector Bin Packing, 2011.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from hocket.cluster.packing.board import Board
from hocket.cluster.packing.case import NOWHERE, At, Case, Vector
from hocket.cluster.packing.clock import Clock
from hocket.cluster.packing.legal import legal
from hocket.cluster.packing.score import score

SECONDS = 2e-4
"""What it takes to place a pod, about."""

ASKED = 64
"""After so many pods the clock is looked at."""

ROUNDS = 4
"""So often may pods without a place be moved to the front."""


def fill(case: Case, at: At, clock: Clock) -> At:
    """Place pods that run nowhere in `at`, without touching any other.

    The more important first; among equals once those that need most of what is scarcest, and once
    the smallest, of which most fit. Then those that found no place are moved to the front, as long
    as that helps (Joslin and Clements, Squeaky Wheel Optimization, 1999). The best of all is kept.
    """
    waiting = np.flatnonzero(at < 0)
    kind = case.kind[waiting]
    tier = np.where(waiting == case.preemptor, -1, case.tier[waiting])
    large, scarce = size(case)[kind], case.demand[kind, scarcest(case)]
    smallest = waiting[np.lexsort((waiting, large, tier))]
    order = waiting[np.lexsort((waiting, -large, -scarce, tier))]
    best = _placed(case, at, order, clock)
    for _ in range(ROUNDS):
        left = order[best[order] < 0]
        clock.work(SECONDS * len(order))
        if not len(left) or clock.left <= 0:
            return best
        first = np.isin(order, left[case.tier[left] == case.tier[left].min()])
        order = np.concatenate([order[first], order[~first]])
        found = _placed(case, at, order, clock)
        if score(case, found) <= score(case, best):
            break
        best = found
    return max(best, _placed(case, at, smallest, clock), key=lambda found: score(case, found))


def _placed(case: Case, at: At, order: Vector, clock: Clock) -> At:
    """At Ctrl-C, what was placed until then."""
    board = Board(case, at)
    try:
        place_all(board, order.tolist(), clock)
    except KeyboardInterrupt:
        clock.interrupted = True
        return board.at if legal(case, board.at) else at
    return board.at


def place_all(board: Board, pods: Iterable[int], clock: Clock | None = None) -> None:
    """Place each of these pods in turn, where one can be placed, until the clock says to end."""
    case = board.case
    full: set[int] = set()  # kinds for which there is no room; it never grows here
    careful = bool(case.relations.kinds or case.forbidden)
    for count, i in enumerate(pods, 1):
        if clock is not None and count % ASKED == 0 and clock.over:
            return
        number = int(case.kind[i])
        if number in full:
            continue
        if case.home[i] >= 0 and board.may_stay(i):
            board.place(i, int(case.home[i]))
        else:
            able = board.room(number)
            if case.home[i] >= 0:
                able[case.home[i]] = False
            if not able.any():
                if case.home[i] < 0 and not careful:
                    full.add(number)
                continue
            board.place(i, board.likest(number, able))
        if careful and not legal(case, board.at):
            board.take(i)


def complete(case: Case, at: At, solved: int, clock: Clock) -> At:
    """An assignment that was only looked at for its first tiers, made whole.

    The pods of all other tiers go back to where they run as far as there is room, else to where
    there is; then what waits is placed.
    """
    board = Board(case, at)
    rest = [i for i in range(len(at)) if case.tier[i] >= solved and not case.fixed(i)]
    for i in rest:
        if board.at[i] >= 0:
            board.take(i)
    rest.sort(key=lambda i: (case.tier[i], case.home[i] < 0, i))
    place_all(board, rest)
    completed = fill(case, board.at, clock)
    return completed if legal(case, completed) else at


def size(case: Case) -> Vector:
    """How large pods of each kind are: the sum of their shares of all there is, in parts of 1e9."""
    room = np.maximum(case.capacity.sum(axis=0, dtype=np.float64), 1.0)
    shares: Vector = (case.demand / room * 1e9).sum(axis=1).astype(np.int64)
    return shares


def scarcest(case: Case) -> int:
    """The resource of which most is asked for, as a share of what there is."""
    asked = case.demand[case.kind].sum(axis=0, dtype=np.float64)
    return int(np.argmax(asked / np.maximum(case.capacity.sum(axis=0, dtype=np.float64), 1.0)))


def waits(case: Case, at: At) -> list[int]:
    """The pods that run nowhere but could."""
    able = [bool(kind.enter.any()) for kind in case.kinds]
    return [i for i in np.flatnonzero(at == NOWHERE).tolist() if able[case.kind[i]]]
