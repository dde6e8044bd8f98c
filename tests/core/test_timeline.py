import copy
import json
import pickle

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.core.timeline import Gauge, Point, Span, Tally, Timeline

TEXT = st.text(max_size=5)
TICK = st.integers(0, 2**40)
RECORD = st.one_of(
    st.builds(Span, TEXT, TEXT, TEXT, TEXT, TICK, TICK, TEXT),
    st.builds(Point, TEXT, TEXT, TEXT, TEXT, TICK, TEXT),
    st.builds(Gauge, TEXT, TEXT, TICK, st.floats(allow_nan=False, allow_infinity=False)),
    st.builds(Tally, TEXT, TEXT, TICK, TICK),
)


def made(records, unit="s", lanes=("m0", "m1")):
    timeline = Timeline(unit, lanes)
    for record in records:
        if isinstance(record, Span):
            timeline.span(*record)
        elif isinstance(record, Point):
            timeline.point(*record)
        elif isinstance(record, Gauge):
            timeline.gauge(*record)
        else:
            timeline.tally(*record)
    return timeline


@given(st.lists(RECORD, max_size=8))
def test_what_goes_in_comes_out_also_after_a_detour_through_bytes(records):
    timeline = made(records)
    again = Timeline.from_json(timeline.to_json())
    for one in (timeline, again, pickle.loads(pickle.dumps(timeline)), copy.deepcopy(timeline)):
        assert list(one.spans()) == [r for r in records if isinstance(r, Span)]
        assert list(one.points()) == [r for r in records if isinstance(r, Point)]
        assert list(one.gauges()) == [r for r in records if isinstance(r, Gauge)]
        assert list(one.tallies()) == [r for r in records if isinstance(r, Tally)]
        assert (one.unit, one.lanes, len(one)) == ("s", ("m0", "m1"), len(records))
        assert one == timeline
        assert one.digest() == timeline.digest()
        assert one.end == timeline.end


@given(st.lists(RECORD, max_size=5), st.lists(RECORD, max_size=5))
def test_equal_digests_mean_equal_records(a, b):
    def sorted_by_kind(records):
        return [[r for r in records if isinstance(r, kind)] for kind in (Span, Point, Gauge, Tally)]

    same = repr(sorted_by_kind(a)) == repr(sorted_by_kind(b))
    assert (made(a).digest() == made(b).digest()) == same
    assert (made(a) == made(b)) == same


def test_unit_and_lanes_count():
    assert made([]) != made([], unit="ms")
    assert made([]) != made([], lanes=("m1", "m0"))
    assert made([]) != "a timeline"


def test_records_by_kind():
    timeline = made(
        [
            Span("run", "m0", "j0", "j0.0", 1, 4, "only one"),
            Span("setup", "m0", "j0", "j0.0", 0, 1),
            Point("arrive", "", "j0", "", 9),
            Gauge("queue", "m0", 3, 2.5),
            Tally("gap", "m0", 7, 40),
        ]
    )
    assert [s.kind for s in timeline.spans("setup")] == ["setup"]
    assert [s.reason for s in timeline.spans("run")] == ["only one"]
    assert list(timeline.points("leave")) == []
    assert [g.value for g in timeline.gauges("queue")] == [2.5]
    assert [(t.value, t.count) for t in timeline.tallies("gap")] == [(7, 40)]
    assert list(timeline.tallies("loss")) == []
    assert timeline.end == 9
    assert repr(timeline) == "Timeline(2 spans, 1 points, 1 gauges, 1 tallies, end=9 s)"
    assert timeline.columns()["spans"]["start"] == [1, 0]
    assert made([]).end == 0


def test_it_has_no_hash_since_it_grows():
    with pytest.raises(TypeError, match="unhashable"):
        hash(made([]))


def test_the_bytes_are_plain_json_in_columns():
    data = json.loads(made([Point("arrive", "", "j0", "", 9)]).to_json())
    assert data["points"] == {
        "kind": ["arrive"],
        "lane": [""],
        "group": ["j0"],
        "name": [""],
        "time": [9],
        "reason": [""],
    }


def spoilt(change):
    data = json.loads(made([Span("run", "m0", "j0", "j0.0", 1, 4)]).to_json())
    change(data)
    return json.dumps(data).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"\xff\xfe",
        b'{"unit": "s"}',
        spoilt(lambda d: d["spans"].pop("lane")),
        spoilt(lambda d: d["spans"].update(more=[1])),
        spoilt(lambda d: d["spans"]["start"].append(3)),
        spoilt(lambda d: d.update(points={})),
    ],
)
def test_bytes_that_are_no_timeline(data):
    with pytest.raises(msgspec.DecodeError):
        Timeline.from_json(data)


def test_the_order_of_columns_in_the_bytes_does_not_matter():
    timeline = made([Span("run", "m0", "j0", "j0.0", 1, 4)])

    def reverse(data):
        data["spans"] = dict(reversed(data["spans"].items()))

    assert Timeline.from_json(spoilt(reverse)) == timeline
