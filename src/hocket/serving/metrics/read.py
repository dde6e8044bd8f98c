"""What a serving timeline says, in columns.

Everything here reads whole columns (`Timeline.columns`) and no single records: a run of 100,000
requests has about a million of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hocket.core.scenario import to_ticks
from hocket.core.timeline import Timeline
from hocket.serving import memory
from hocket.serving.model.cluster import Cluster, Pool

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating[Any]]
Bools = npt.NDArray[np.bool_]
Columns = Mapping[str, list[Any]]
"""One table of a timeline: a list for each field."""


class Arrival(NamedTuple):
    """What the point ``arrive`` of a request tells.

    Its name reads ``PROMPT OUTPUT LIMIT``, and where they are not 0 and empty ``PRIORITY TENANT``.
    """

    prompt: int
    output: int
    limit: int
    priority: int = 0
    tenant: str = ""


class Work(NamedTuple):
    """The ``run`` spans of known requests, by request, then by time.

    - `request`: its row; `lane`: the replica, an index into `lanes`
    - `prefill`: whether it is one; `tokens`: how many it computed
    - `start`, `end`: ticks
    - `yields`: whether it is a prefill that was completed, and so gave a token
    """

    lanes: tuple[str, ...]
    request: Ints
    lane: Ints
    prefill: Bools
    tokens: Ints
    start: Ints
    end: Ints
    yields: Bools


def seconds_per_tick(timeline: Timeline) -> float:
    """The length of a tick; 1 for abstract ticks."""
    return 1.0 if timeline.unit == "tick" else to_ticks(f"1 {timeline.unit}", "ns") / 1e9


def rows_where(table: Columns, field: str, value: str) -> dict[str, list[Any]]:
    """The rows of a table whose field has this value."""
    kept = [i for i, found in enumerate(table[field]) if found == value]
    return {name: [column[i] for i in kept] for name, column in table.items()}


def arrival(name: str) -> Arrival:
    """Read the name of a point ``arrive``. Raises ValueError if it does not begin with 3 counts."""
    words = name.split(" ", 4)
    prompt, output, limit = map(int, words[:3])
    priority = int(words[3]) if len(words) > 3 else 0
    return Arrival(prompt, output, limit, priority, words[4] if len(words) > 4 else "")


def pool_of(scenario: Cluster, lane: str) -> Pool | None:
    """The pool of a replica, whose name is ``POOL-NUMBER``; None if it is no replica."""
    stem, _, number = lane.rpartition("-")
    if not number.isdecimal():
        return None
    return next((pool for pool in scenario.pools if pool.name == stem), None)


def replicas(scenario: Cluster, timeline: Timeline, spans: Columns) -> dict[str, Pool]:
    """The replicas that a timeline mentions, in order, each with its pool."""
    lanes = dict.fromkeys((*timeline.lanes, *dict.fromkeys(spans["lane"])))
    found = {lane: pool_of(scenario, lane) for lane in lanes}
    return {lane: pool for lane, pool in found.items() if pool is not None}


def capacities(found: dict[str, Pool]) -> dict[str, int]:
    """Blocks of key-value memory of each replica."""
    return {lane: memory.blocks(pool) for lane, pool in found.items()}


def work(
    spans: Columns, points: Columns, rows: dict[str, int], prompt: Ints, finished: Bools
) -> Work:
    """The ``run`` spans of the requests in `rows`, a mapping of their ids to row numbers."""
    runs = rows_where(spans, "kind", "run")
    request = np.array([rows.get(group, -1) for group in runs["group"]], dtype=np.int64)
    known = np.flatnonzero(request >= 0)
    start, end = (np.array(runs[name], dtype=np.int64) for name in ("start", "end"))
    order = known[np.lexsort((end[known], start[known], request[known]))]
    lanes = {lane: i for i, lane in enumerate(dict.fromkeys(runs["lane"]))}
    lane = np.array([lanes[name] for name in runs["lane"]], dtype=np.int64)
    prefill = np.array([name.startswith("prefill") for name in runs["name"]], dtype=np.bool_)
    tokens = np.array([int(name.partition(" ")[2]) for name in runs["name"]], dtype=np.int64)
    request, lane, tokens, start, end = (c[order] for c in (request, lane, tokens, start, end))
    prefill = prefill[order]
    done = Work(tuple(lanes), request, lane, prefill, tokens, start, end, np.zeros(0, np.bool_))
    return done._replace(yields=_yields(done, prompt, finished, _counts(points, rows)))


def _counts(points: Columns, rows: dict[str, int]) -> dict[int, list[tuple[int, int]]]:
    """By request, when something happened to it that says how many tokens it had, and how many."""
    found: dict[int, list[tuple[int, int]]] = {}
    for i, kind in enumerate(points["kind"]):
        if kind in ("preempt", "lost", "cancel") and points["group"][i] in rows:
            count = points["name"][i].rpartition(" ")[2]
            if count.isdecimal():
                told = (points["time"][i], int(count))
                found.setdefault(rows[points["group"][i]], []).append(told)
    return found


def _yields(
    done: Work, prompt: Ints, finished: Bools, counts: Mapping[int, list[tuple[int, int]]]
) -> Bools:
    """Which prefills were completed.

    Those that a decode follows, and the last one of a finished request. The others were cut short
    by what happened then, or completed just before it: by the tokens of the answer that this says
    there were, else by whether all there was to compute was computed.
    """
    request, prefill, tokens = done.request, done.prefill, done.tokens
    if not len(request):
        return np.zeros(0, dtype=np.bool_)
    last = np.append(request[1:] != request[:-1], True)
    decode_next = np.append(~prefill[1:], False) & ~last
    yields: Bools = prefill & (decode_next | (last & finished[request]))
    first = np.flatnonzero(np.insert(last[:-1], 0, True))
    for i in np.flatnonzero(prefill & ~yields).tolist():
        begin = first[np.searchsorted(first, i, side="right") - 1]
        before = slice(begin, i)
        generated = tokens[before][~prefill[before]].sum() + yields[before].sum()
        until = math.inf if last[i] else done.start[i + 1]
        told = [n for time, n in counts.get(request[i], ()) if done.end[i] <= time <= until]
        whole = tokens[i] >= prompt[request[i]] + generated
        yields[i] = told[0] > generated if told else whole
    return yields
