"""Timelines made wrong on purpose: what a checker is worth shows in what it rejects."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from hocket.core.domain import ProblemType
from hocket.core.scenario import Scenario
from hocket.core.timeline import Span, Timeline
from hocket.testing.errors import ContractError

MOST = 12
"""Variants of each kind that are tried."""

Spans = list[Span]


def drop(spans: Spans) -> Iterator[Spans]:
    """A piece of work that is never done."""
    for n, span in enumerate(spans):
        piece = (span.group, span.name)
        rest = [other for other in spans if (other.group, other.name) != piece]
        if spans.index(next(s for s in spans if (s.group, s.name) == piece)) == n:
            yield rest


def stranger(spans: Spans) -> Iterator[Spans]:
    """Work that nobody asked for."""
    for n, span in enumerate(spans):
        yield [*spans[:n], span._replace(group="nobody's"), *spans[n + 1 :]]


def shift(spans: Spans) -> Iterator[Spans]:
    """A piece of work that begins and ends earlier than it did, by its length or by one tick."""
    for n, span in enumerate(spans):
        for by in (max(1, span.end - span.start), 1):
            moved = span._replace(start=span.start - by, end=span.end - by)
            yield [*spans[:n], moved, *spans[n + 1 :]]


def swap_times(spans: Spans) -> Iterator[Spans]:
    """Two pieces of work that exchange their times."""
    for n, (a, b) in enumerate(itertools.pairwise(spans)):
        exchanged = [a._replace(start=b.start, end=b.end), b._replace(start=a.start, end=a.end)]
        yield [*spans[:n], *exchanged, *spans[n + 2 :]]


def swap_lanes(spans: Spans) -> Iterator[Spans]:
    """Two pieces of work that exchange their resources."""
    for n, (a, b) in enumerate(itertools.pairwise(spans)):
        if a.lane != b.lane:
            exchanged = [a._replace(lane=b.lane), b._replace(lane=a.lane)]
            yield [*spans[:n], *exchanged, *spans[n + 2 :]]


Mutation = Callable[[Spans], Iterator[Spans]]
ALWAYS: tuple[Mutation, ...] = (drop, stranger)
"""Every variant must be rejected."""

SOMETIMES: tuple[Mutation, ...] = (shift, swap_times)
"""Some variant must be rejected: the others may be schedules too."""

REPORTED: tuple[Mutation, ...] = (swap_lanes,)
"""No more than counted: where resources are amounts, a lane is but a place in the picture."""


def check_the_checker(problem: ProblemType, scenario: Scenario, timeline: Timeline) -> list[str]:
    """Show the checker of a problem wrong timelines; returns how many of them it rejected.

    Raises ContractError for a kind of fault that it does not see.
    """
    check = problem.get("check")
    told = []
    for mutation in (*ALWAYS, *SOMETIMES, *REPORTED):
        tried, missed = 0, 0
        for spans in _first(mutation([*timeline.spans("run")])):
            tried += 1
            missed += not check(scenario, with_runs(timeline, spans))
        what = (mutation.__doc__ or "").rstrip(".").lower()
        if tried and (
            (mutation in ALWAYS and missed) or (mutation in SOMETIMES and missed == tried)
        ):
            raise ContractError(
                f"the checker of {problem.name} accepts {missed} of {tried} timelines of "
                f"{scenario.name} with {what}"
            )
        if tried:
            name = mutation.__name__.replace("_", " ")
            told.append(f"{problem.name}: checker rejects {tried - missed} of {tried}: {name}")
    return told


def with_runs(timeline: Timeline, runs: Spans) -> Timeline:
    """The same record with other spans of kind ``run``."""
    changed = Timeline(timeline.unit, timeline.lanes)
    others: list[Any] = [span for span in timeline.spans() if span.kind != "run"]
    for span in (*others, *runs):
        changed.span(*span)
    for point in timeline.points():
        changed.point(*point)
    for gauge in timeline.gauges():
        changed.gauge(*gauge)
    for tally in timeline.tallies():
        changed.tally(*tally)
    return changed


def _first(variants: Iterator[Spans]) -> Iterator[Spans]:
    """Some of the variants, spread over all of them."""
    found = list(variants)
    step = max(1, len(found) // MOST)
    yield from found[::step]
