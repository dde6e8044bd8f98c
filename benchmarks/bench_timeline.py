"""What recording costs: a span beside appending a bare tuple to a list, and columns by the row.

    pytest benchmarks/bench_timeline.py -s

Recording is on the path of every simulated event, so it must stay near the cheapest thing that
Python can do with the same seven values.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

import pytest

from hocket.core.timeline import Timeline
from hocket.report.chart import encode
from hocket.report.trace import to_chrome

ROWS = 100_000
ROUNDS = 7

Row = tuple[str, str, str, str, int, int, str]


def draw() -> list[Row]:
    """Spans as a shop's simulator records them."""
    return [
        ("run", f"machine {i % 20}", f"job {i // 20}", f"{i // 20}.{i % 20}", i, i + 7, "SPT")
        for i in range(ROWS)
    ]


def record(rows: list[Row]) -> Timeline:
    timeline = Timeline("s")
    span = timeline.span
    for kind, lane, group, name, start, end, reason in rows:
        span(kind, lane, group, name, start, end, reason)
    return timeline


def append(rows: list[Row]) -> list[Row]:
    record: list[Row] = []
    put = record.append
    for kind, lane, group, name, start, end, reason in rows:
        put((kind, lane, group, name, start, end, reason))
    return record


def nanoseconds(*works: Callable[[], object]) -> list[float]:
    """The best time of each work per row, over interleaved rounds."""
    best = [float("inf")] * len(works)
    for _ in range(ROUNDS):
        for i, work in enumerate(works):
            gc.collect()
            begun = time.perf_counter_ns()
            work()
            best[i] = min(best[i], (time.perf_counter_ns() - begun) / ROWS)
    return best


def test_cost_of_a_span_beside_a_list_append() -> None:
    rows = draw()
    ours, bare = nanoseconds(lambda: record(rows), lambda: append(rows))
    print(f"\nspan {ours:.0f} ns, bare append {bare:.0f} ns, ratio {ours / bare:.2f}")
    assert list(record(rows).spans()) == append(rows)


def test_cost_of_what_is_made_of_a_timeline() -> None:
    timeline = record(draw())
    works: dict[str, Callable[[], Any]] = {
        "columns": timeline.columns,
        "to_json": timeline.to_json,
        "digest": timeline.digest,
        "chart": lambda: encode("x", timeline),
        "trace": lambda: to_chrome(timeline),
    }
    costs = nanoseconds(*works.values())
    told = [f"{name} {cost:,.0f} ns" for name, cost in zip(works, costs, strict=True)]
    print(f"\nper row: {', '.join(told)}")
    assert len(timeline.columns()["spans"]["kind"]) == ROWS


@pytest.mark.benchmark(group="timeline, record")
@pytest.mark.parametrize("side", [record, append])
def test_record_timed(benchmark: Any, side: Callable[[list[Row]], object]) -> None:
    benchmark(side, draw())


@pytest.mark.benchmark(group="timeline, columns")
def test_columns_timed(benchmark: Any) -> None:
    benchmark(record(draw()).columns)
