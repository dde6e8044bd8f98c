"""Lawler's decomposition with a memory, in plain Python: the reference engine.

Let the jobs be numbered by due date (EDD) and let k be the longest of a set S that starts at time t
(ties: the highest number). Then k has a position q >= k such that some optimal sequence runs all
jobs of S up to q except k, then k, then the rest (Lawler 1977, Annals of Discrete Mathematics 1)::

    T(S, t) = min over q of  T(S up to q without k, t) + max(0, E - d_k) + T(S after q, E)

with E = t + the work of S up to q. A position needs a look only if E < d of the next job, and
d_i + p_i <= E for every i in k+1..q (Potts and Van Wassenhove 1982, OR Letters 1; Szwarc 1993):
else a neighbouring position is as good. Every set that comes up is "the jobs from number i to j
that are shorter than some job", so (first, last, longest, t) names a subproblem and its value is
kept (memoised, as in Shang, T'Kindt and Della Croce 2021, Computers & Operations Research 128).

Lower bounds do not prune the search: `pairing_bound` would save a third of the nodes and cost more
than they do.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

Key = tuple[int, int, int, int]

CLOCK_INTERVAL = 256
"""The clock is read every so many nodes."""


@dataclass(slots=True)
class Limits:
    """When to stop opening nodes: a point of `time.monotonic`, a node count, a call, or never."""

    deadline: float | None = None
    nodes: int | None = None
    stop: Callable[[], bool] | None = None

    def reached(self, nodes: int) -> bool:
        """Whether a search that has opened `nodes` nodes is over."""
        if self.nodes is not None and nodes >= self.nodes:
            return True
        if self.stop is not None and self.stop():
            return True
        return self.deadline is not None and time.monotonic() >= self.deadline


@dataclass(frozen=True, slots=True)
class EddJobs:
    """Jobs numbered by due date: durations, due dates, and each job's rank in the SPT order."""

    p: list[int]
    d: list[int]
    rank: list[int]


class Engine(Protocol):
    """What the two engines offer: values of subproblems, and the positions that gave them."""

    @property
    def nodes(self) -> int:
        """Subproblems opened so far."""

    def solve(self, members: list[int], start: int) -> tuple[int, bool]:
        """Least total tardiness of `members` from `start`; or, if a limit was reached (the second
        result is then False), a lower bound on it."""

    def cut(self, members: list[int], start: int) -> int | None:
        """The best q of a subproblem, as an index into `members`; None if it was not kept."""


def longest(jobs: EddJobs, members: list[int]) -> int:
    """The index in `members` of the job that Lawler's theorem splits at."""
    return members.index(max(members, key=jobs.rank.__getitem__))


def key_of(jobs: EddJobs, members: list[int], start: int) -> Key:
    """The name of a subproblem."""
    rank = max([jobs.rank[j] for j in members])
    return members[0], members[-1], rank, start


def easy(jobs: EddJobs, members: list[int], start: int) -> tuple[int, bool] | None:
    """Value and whether SPT (else EDD) gives it, where one of two shortcuts applies; else None.

    With at most one late job EDD is optimal, as it minimises the largest tardiness. If each job is
    late even when it comes first, all are always late and SPT minimises their sum.
    """
    p, d = jobs.p, jobs.d
    end, late, total, all_late = start, 0, 0, True
    for j in members:
        end += p[j]
        if end > d[j]:
            late += 1
            total += end - d[j]
        if start + p[j] < d[j]:
            all_late = False
    if late <= 1:
        return total, False
    if not all_late:
        return None
    end, total = start, 0
    for j in sorted(members, key=jobs.rank.__getitem__):
        end += p[j]
        total += end - d[j]
    return total, True


def positions(jobs: EddJobs, members: list[int], k: int, start: int) -> list[tuple[int, int]]:
    """The positions q that need a look, each with its E."""
    p, d = jobs.p, jobs.d
    end = start
    for j in members[: k + 1]:
        end += p[j]
    found = []
    last = len(members) - 1
    latest = end  # the largest d_i + p_i passed so far; none yet
    for q in range(k, len(members)):
        j = members[q]
        if q > k:
            end += p[j]
            latest = max(latest, d[j] + p[j])
        if latest <= end and (q == last or end < d[members[q + 1]]):
            found.append((q, end))
    return found


def pairing_bound(jobs: EddJobs, members: list[int], start: int) -> int:
    """The sorted lower bound (see `bounds.sorted_bound`) of a subproblem."""
    end, total = start, 0
    for shortest, due in zip(sorted(members, key=jobs.rank.__getitem__), members, strict=True):
        end += jobs.p[shortest]
        total += max(0, end - jobs.d[due])
    return total


@dataclass(slots=True)
class _Node:
    """A subproblem whose positions are being tried; `before` waits for the part after the cut."""

    key: Key
    members: list[int]
    k: int
    start: int
    cuts: list[tuple[int, int]]
    trying: int = 0
    before: int | None = None
    best: int | None = None
    best_cut: int = -1


class Lawler:
    """The recursion on a stack of its own, so that the number of jobs meets no recursion limit.

    `entries` bounds the memory: results are kept in two generations, the older of which is dropped
    when the younger has filled half. What is dropped is computed again when needed.
    """

    def __init__(self, jobs: EddJobs, limits: Limits, entries: int) -> None:
        self.jobs = jobs
        self.limits = limits
        self.nodes = 0
        self._generation = max(1, entries // 2)
        self._young: dict[Key, tuple[int, int]] = {}
        self._old: dict[Key, tuple[int, int]] = {}
        self._closing = False

    def cut(self, members: list[int], start: int) -> int | None:
        """See Engine.cut."""
        known = self._recall(key_of(self.jobs, members, start))
        return None if known is None else known[1]

    def solve(self, members: list[int], start: int) -> tuple[int, bool]:
        """See Engine.solve."""
        stack: list[_Node] = []
        value = self._enter(members, start, stack)
        while stack:
            node = stack[-1]
            if value is not None:
                if self._take(node, value):
                    q, end = node.cuts[node.trying]
                    value = self._enter(node.members[q + 1 :], end, stack)
                    continue
                node.trying += 1
                node.before = None
            if node.trying == len(node.cuts):
                stack.pop()
                value = self._keep(node)
                continue
            q = node.cuts[node.trying][0]
            left = node.members[: node.k] + node.members[node.k + 1 : q + 1]
            value = self._enter(left, node.start, stack)
        assert value is not None  # an empty stack means that the root has its value
        return value, not self._closing

    def _take(self, node: _Node, value: int) -> bool:
        """Account for the value of a part; True if the part after the cut is wanted next."""
        if node.before is None:
            job = node.members[node.k]
            end = node.cuts[node.trying][1]
            node.before = value + max(0, end - self.jobs.d[job])
            return node.best is None or node.before < node.best
        if node.best is None or node.before + value < node.best:
            node.best = node.before + value
            node.best_cut = node.cuts[node.trying][0]
        return False

    def _enter(self, members: list[int], start: int, stack: list[_Node]) -> int | None:
        """The value of a subproblem if it is known or easy; else None, with a node on the stack."""
        if not members:
            return 0
        jobs = self.jobs
        key = key_of(jobs, members, start)
        known = self._recall(key)
        if known is not None:
            return known[0]
        shortcut = easy(jobs, members, start)
        if shortcut is not None:
            return shortcut[0]
        if not self._closing and (
            self.nodes % CLOCK_INTERVAL == 0 or self.limits.nodes is not None
        ):
            self._closing = self.limits.reached(self.nodes)
        if self._closing:
            return pairing_bound(jobs, members, start)
        self.nodes += 1
        k = longest(jobs, members)
        stack.append(_Node(key, members, k, start, positions(jobs, members, k, start)))
        return None

    def _recall(self, key: Key) -> tuple[int, int] | None:
        return self._young.get(key) or self._old.get(key)

    def _keep(self, node: _Node) -> int:
        # After a limit these are bounds; they may be kept, as nothing exact is computed any more.
        assert node.best is not None  # the first position always yields a value
        if len(self._young) >= self._generation:
            self._old, self._young = self._young, {}
        self._young[node.key] = node.best, node.best_cut
        return node.best
