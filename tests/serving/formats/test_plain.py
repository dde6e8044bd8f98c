"""Logs that are written: they read back as the same scenario, or are refused."""

from __future__ import annotations

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given, settings

from hocket.core.errors import InputError
from hocket.serving.formats import FORMATS
from hocket.serving.generate import Chat, PastFuture, Talks
from hocket.serving.model.cluster import Cluster, Pool
from hocket.serving.workload import Trace

CSV, JSONL = (
    next(f for f in FORMATS if f.name == name) for name in ("requests-csv", "requests-jsonl")
)
NAMES = st.text("abcXYZ019 ,;\"'é-_#|\t", max_size=8)


@st.composite
def traces(draw: st.DrawFn, prefixes: bool) -> Trace:
    """Traces with any of the optional columns."""
    count = draw(st.integers(1, 6))

    def column(values: st.SearchStrategy, **options: bool) -> tuple:
        return tuple(draw(st.lists(values, min_size=count, max_size=count, **options)))

    def maybe(values: st.SearchStrategy, **options: bool) -> tuple:
        return column(values, **options) if draw(st.booleans()) else ()

    tokens = st.integers(1, 100) | st.integers(1, 2**31 - 1)
    start = draw(st.just(0) | st.integers(0, 999_999_999_999))
    ticks = st.integers(0, 100) | st.integers(0, 999_999_999_999)
    arrival = sorted(min(start + tick, 999_999_999_999) for tick in column(ticks))
    prompt = column(tokens)
    block = draw(st.integers(1, 600))
    prefix = ()
    if prefixes and draw(st.booleans()):
        ids = st.integers(0, 2**62)
        most = [min(5, -(-length // block)) for length in prompt]
        prefix = tuple(tuple(draw(st.lists(ids, max_size=size))) for size in most)
    return Trace(
        arrival=tuple(arrival),
        prompt=prompt,
        output=column(tokens),
        limit=maybe(tokens),
        priority=maybe(st.integers(-(2**31), 2**31)),
        tenant=maybe(NAMES),
        expected=maybe(st.just(0) | tokens),
        cancel=maybe(st.just(-1) | ticks),
        prefix=prefix,
        prefix_block=block if prefix else 16,
        names=maybe(NAMES.filter(bool), unique=True),
    )


@given(traces(prefixes=False))
@settings(max_examples=150, deadline=None)
def test_csv_reads_back_as_the_same(trace):
    check(CSV, trace, "log.csv")


@given(traces(prefixes=True))
@settings(max_examples=150, deadline=None)
def test_json_lines_read_back_as_the_same(trace):
    check(JSONL, trace, "log.jsonl")


def check(form, trace, name):
    scenario = Cluster(name="log", workload=trace)
    assert not list(scenario.problems())
    text = form.write(scenario)
    assert form.sniff(name, text[:4096])
    again = form.read(text, name)
    assert again == scenario
    assert form.write(again) == text


def test_another_unit_is_written_in_microseconds():
    trace = Trace(arrival=(1, 2), prompt=(1, 1), output=(1, 1))
    text = CSV.write(Cluster(name="log", time_unit="ms", workload=trace))
    assert CSV.read(text, "log.csv").workload.arrival == (1000, 2000)


@pytest.mark.parametrize(
    ("scenario", "said"),
    [
        (Talks(conversations=6).make(), "others release"),
        (PastFuture(requests=6, clients=2).make(), "others release"),
        (
            msgspec.structs.replace(Chat(requests=6).make(), pools=(Pool(count=2),)),
            "requests alone, not pools",
        ),
        (
            Cluster(
                name="x",
                time_unit="ns",
                workload=Trace(arrival=(1,), prompt=(1,), output=(1,)),
            ),
            "are finer",
        ),
    ],
)
def test_what_a_log_cannot_hold_is_refused(scenario, said):
    for form in (CSV, JSONL):
        with pytest.raises(InputError, match=said):
            form.write(scenario)


def test_csv_holds_no_prefixes():
    trace = Trace(arrival=(0,), prompt=(40,), output=(1,), prefix=((1, 2),))
    with pytest.raises(InputError, match="cannot hold prefixes"):
        CSV.write(Cluster(name="x", workload=trace))


def test_a_workload_that_is_drawn_is_refused():
    from hocket.serving.workload import Fixed, Random, Rate, Separate

    lengths = Separate(prompt=Fixed(tokens=1), output=Fixed(tokens=1))
    drawn = Random(count=3, arrivals=Rate(rate=1.0), lengths=lengths)
    with pytest.raises(InputError, match="not of kind trace"):
        JSONL.write(Cluster(name="x", workload=drawn))
