"""Exact total tardiness on one machine by decomposition, with a bound when stopped early."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt

from hocket.core.errors import UserError
from hocket.core.extras import need
from hocket.shop.tardiness import rules
from hocket.shop.tardiness.arrays import Ints, jobs
from hocket.shop.tardiness.augmented import augmented_mdd, augmented_mddc
from hocket.shop.tardiness.bounds import lower_bound
from hocket.shop.tardiness.discovered import mddc
from hocket.shop.tardiness.dynasearch import dynasearch
from hocket.shop.tardiness.lawler import EddJobs, Engine, Lawler, Limits, easy, longest
from hocket.shop.tardiness.objective import total_tardiness
from hocket.shop.tardiness.proof import Proof

EngineName = Literal["auto", "python", "compiled"]

COMPILED_FROM = 80
"""From so many jobs on, ``"auto"`` takes the compiled engine: below, loading Numba costs more."""

MOST_FOR_DESCENT = 500
"""With more jobs the fallback is plain rules: steps of the descent take n^3 operations."""

BYTES_PER_ENTRY = 360
"""Of the plain Python engine: a key of four integers, a value, their share of the dictionary."""


def decompose(
    p: npt.ArrayLike,
    d: npt.ArrayLike,
    *,
    time_limit: float | None = None,
    node_limit: int | None = None,
    memory_mib: int = 512,
    engine: EngineName = "auto",
    stop: Callable[[], bool] | None = None,
) -> Proof:
    """A sequence of least total tardiness: Lawler's decomposition (see `lawler`), memoised.

    Pseudo-polynomial, ``O(n^4 sum p)`` at worst and far less in practice: 500 jobs of the published
    classes take seconds with the compiled engine. Durations of many digits make it slower, as fewer
    subproblems recur. The compiled engine is compiled at its first use and then kept on disk.

    When `time_limit` (seconds) or `node_limit` is reached, or `stop()` is true, the open
    subproblems are bounded, which gives a valid lower bound on the whole, and the best of several
    heuristics is the answer; that takes about a quarter more. A node limit gives the same result on
    every machine, a time limit does not.

    `memory_mib` bounds the memo; beyond it, results are forgotten and found again. Both engines
    open the same nodes and return the same sequence while nothing is forgotten.
    """
    processing, due = jobs(p, d)
    if memory_mib < 1:
        raise UserError("decompose needs memory_mib >= 1")
    order = rules.edd(processing, due)
    numbered = _numbered(processing[order], due[order])
    deadline = None if time_limit is None else time.monotonic() + time_limit
    machine = _engine(engine, numbered, Limits(deadline, node_limit, stop), memory_mib << 20)
    value, exact = machine.solve(list(range(len(order))), 0)
    if exact:
        machine_order = _sequence(machine, numbered)
        if machine_order is not None:
            return Proof(order[machine_order], value, value, machine.nodes)
    best = _incumbent(processing, due, None if time_limit is None else time_limit / 4)
    bound = max(value, lower_bound(processing, due))
    return Proof(best, total_tardiness(best, processing, due), bound, machine.nodes)


def _numbered(p: Ints, d: Ints) -> EddJobs:
    rank = np.empty_like(p)
    rank[np.argsort(p, kind="stable")] = np.arange(len(p))
    return EddJobs(p.tolist(), d.tolist(), rank.tolist())


def _engine(name: EngineName, numbered: EddJobs, limits: Limits, memory: int) -> Engine:
    if name not in ("auto", "python", "compiled"):
        raise UserError(f"decompose has engines 'auto', 'python', 'compiled', not {name!r}")
    n = len(numbered.p)
    if name == "auto":
        worthwhile = n >= COMPILED_FROM and importlib.util.find_spec("numba") is not None
        name = "compiled" if worthwhile and _fits(numbered) else "python"
    if name == "python":
        return Lawler(numbered, limits, memory // BYTES_PER_ENTRY)
    need("numba", "solve")
    if not _fits(numbered):
        raise UserError("this instance is too large for the compiled engine; use engine='python'")
    from hocket.shop.tardiness.lawler_compiled import CompiledLawler

    return CompiledLawler(numbered, limits, memory)


def _fits(numbered: EddJobs) -> bool:
    """Whether the compiled engine can name all subproblems in 63 bits, in sane memory."""
    n = len(numbered.p)
    return n <= 3000 and (sum(numbered.p) + 1) * n**3 < 2**63


def _sequence(machine: Engine, numbered: EddJobs) -> list[int] | None:
    """The optimal sequence, read back from the engine's memory; None if a limit comes between.

    What the memory has dropped is solved again.
    """
    sequence: list[int] = []
    # Parts still to be laid out, the earliest on top; a lone job is a part too.
    todo: list[tuple[list[int], int]] = [(list(range(len(numbered.p))), 0)]
    while todo:
        members, start = todo.pop()
        shortcut = easy(numbered, members, start)
        if shortcut is not None:
            by_spt = shortcut[1]
            sequence += sorted(members, key=numbered.rank.__getitem__) if by_spt else members
            continue
        q = machine.cut(members, start)
        if q is None:
            _, exact = machine.solve(members, start)
            q = machine.cut(members, start)
            if not exact or q is None:
                return None
        k = longest(numbered, members)
        end = start + sum(numbered.p[j] for j in members[: q + 1])
        todo.append((members[q + 1 :], end))
        todo.append(([members[k]], end - numbered.p[members[k]]))
        todo.append((members[:k] + members[k + 1 : q + 1], start))
    return sequence


def _incumbent(p: Ints, d: Ints, seconds: float | None) -> Ints:
    """A good sequence: the best of several rules, then at most `seconds` of dynasearch descent."""
    few = len(p) <= MOST_FOR_DESCENT
    rivals = (augmented_mdd, augmented_mddc) if few else (rules.mdd, mddc)
    candidates = [rule(p, d) for rule in (rules.edd, rules.psk, *rivals)]
    best = min(candidates, key=lambda s: total_tardiness(s, p, d))
    if not few:
        return best
    unused = np.random.default_rng(0)  # no iterations, so no kicks
    found = dynasearch(p, d, start=best, rng=unused, iterations=0, time_limit=seconds)
    return found.sequence
