"""How lanes are ordered, shared into rows, and counted as busy."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hocket.core.timeline import Span, Timeline
from hocket.report import lanes
from tests.report.samples import patient, small, timelines

spans = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 12)), max_size=25).map(
    lambda pairs: [Span("run", "m", "", "", s, s + d) for s, d in sorted(pairs)]
)


def overlap(spans: list[Span]) -> int:
    """The most spans of positive length that cover one tick."""
    return max((sum(s.start <= t < s.end for s in spans) for t in range(60)), default=0)


@patient
@given(spans)
def test_rows_hold_every_span_once_and_none_overlap(given: list[Span]) -> None:
    rows = lanes.rows(given)
    assert sorted(span for row in rows for span in row) == sorted(given)
    for row in rows:
        assert all(a.end <= b.start for a, b in pairwise(row))


@patient
@given(spans)
def test_rows_are_as_few_as_can_be(given: list[Span]) -> None:
    lasting = [span for span in given if span.end > span.start]
    assert len(lanes.rows(lasting)) == overlap(lasting)


@patient
@given(timelines())
def test_busy_is_the_number_of_occupied_ticks(timeline: Timeline) -> None:
    found = lanes.busy(timeline)
    for lane, kinds in found.items():
        for kind, ticks in kinds.items():
            covered: set[int] = set()
            for span in timeline.spans(kind):
                if span.lane == lane:
                    covered.update(range(span.start, span.end))
            assert ticks == len(covered)


def test_declared_lanes_come_first_and_lanes_of_points_last() -> None:
    timeline = Timeline(lanes=("z", "unused"))
    timeline.point("arrive", "door", "", "", 0)
    timeline.span("run", "a", "", "", 0, 1)
    timeline.span("run", "z", "", "", 0, 1)
    assert lanes.order(timeline) == ["z", "unused", "a", "door"]
    assert lanes.order(small()) == ["Lathe", "Mill", ""]


def test_the_work_of_one_job_stays_on_one_row() -> None:
    batch = [
        Span("prefill", "gpu", "a", "", 0, 2),
        Span("prefill", "gpu", "b", "", 0, 4),
        Span("decode", "gpu", "a", "", 2, 9),
        Span("decode", "gpu", "b", "", 4, 6),
        Span("prefill", "gpu", "c", "", 6, 8),
    ]
    groups = [[span.group for span in row] for row in lanes.rows(batch)]
    assert groups == [["a", "a"], ["b", "b", "c"]]
