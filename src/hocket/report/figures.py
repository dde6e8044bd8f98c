"""Pictures that a domain adds to a report: plots and strips, as plain frozen data.

The report knows how to draw them and nothing of what they show. A domain makes them in the function
behind the room ``figures`` of its `ProblemType`. Lines of one label, such as a policy, have one
colour in all figures of a page.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

Numbers = tuple[float, ...]


class Axis(msgspec.Struct, frozen=True, kw_only=True):
    """One axis: what it shows, and whether its numbers are plain, seconds or shares of one.

    `low` and `high` fix its ends; by default they are those of the data.
    """

    label: str
    kind: Literal["number", "seconds", "share"] = "number"
    log: bool = False
    low: float | None = None
    high: float | None = None


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line, or the dots of one label: `x` and `y` have the same length.

    `low` and `high`, if not empty, are the ends of the intervals of `y`; `dashed` tells a second
    line of the same label from the first, `name` says what it is; `notes` go with the points.
    """

    label: str
    x: Numbers
    y: Numbers
    low: Numbers = ()
    high: Numbers = ()
    name: str = ""
    dashed: bool = False
    notes: tuple[str, ...] = ()


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A line across a plot at a value of `axis` that means something, such as a limit."""

    at: float
    label: str
    axis: Literal["x", "y"] = "x"


class Plot(msgspec.Struct, frozen=True, kw_only=True, tag_field="figure", tag="plot"):
    """Lines over two axes, in the part `group` of the page."""

    group: str
    title: str
    x: Axis
    y: Axis
    lines: tuple[Line, ...]
    caption: str = ""
    style: Literal["line", "steps", "dots"] = "line"
    marks: tuple[Mark, ...] = ()


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """What the lanes of strips show: an area or a line, from 0 to `top`."""

    name: str
    top: float
    style: Literal["area", "line"] = "line"
    share: bool = False


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """One lane. `values` holds for each level its readings, one for each `step` of the strips.

    None is a time without a reading.
    """

    name: str
    values: tuple[tuple[float | None, ...], ...]


class Sign(msgspec.Struct, frozen=True, array_like=True):
    """`count` events of one kind (an index into `signs`) on a lane at about one time."""

    lane: int
    at: int
    kind: int
    count: int
    text: str


class Arrow(msgspec.Struct, frozen=True, array_like=True):
    """Something that went from one lane to another."""

    source: int
    target: int
    start: int
    end: int
    text: str


class Band(msgspec.Struct, frozen=True, array_like=True):
    """A time in which a lane was in an unusual state."""

    lane: int
    start: int
    end: int
    kind: str


class Strips(msgspec.Struct, frozen=True, kw_only=True, tag_field="figure", tag="strips"):
    """Levels of many lanes over one time, one below the other, with what happened on them.

    Times are ticks of `unit`; reading k of a level is the highest from ``k * step`` on.
    """

    group: str
    title: str
    unit: str
    end: int
    step: int
    levels: tuple[Level, ...]
    lanes: tuple[Lane, ...]
    signs: tuple[str, ...] = ()
    events: tuple[Sign, ...] = ()
    arrows: tuple[Arrow, ...] = ()
    bands: tuple[Band, ...] = ()
    caption: str = ""


class Relation(msgspec.Struct, frozen=True, kw_only=True):
    """A plot of one metric against another, of whatever runs the report compares.

    With `joined` it has a line for each policy through the scenarios, and needs several of them;
    otherwise a dot for each policy and scenario.
    """

    group: str
    title: str
    x: Axis
    y: Axis
    metrics: tuple[str, str]
    caption: str = ""
    joined: bool = False


Figure: TypeAlias = Plot | Strips
Given: TypeAlias = Plot | Strips | Relation


def drawn(given: Iterable[Given], estimates: Sequence[Any]) -> tuple[Figure, ...]:
    """The figures, with relations drawn from the estimates of a comparison, where they can be.

    `estimates` have the fields of `document.Estimate`.
    """
    found = (_plot(one, estimates) if isinstance(one, Relation) else one for one in given)
    return tuple(figure for figure in found if figure is not None)


def _plot(relation: Relation, estimates: Sequence[Any]) -> Plot | None:
    across, up = (
        {(e.policy, e.scenario): e for e in estimates if e.metric == name and e.mean is not None}
        for name in relation.metrics
    )
    policies = dict.fromkeys(policy for policy, _ in up)
    scenarios = dict.fromkeys(scenario for _, scenario in up)
    lines = [
        _line(
            policy,
            [
                (s, across[policy, s], up[policy, s])
                for s in scenarios
                if (policy, s) in across and (policy, s) in up
            ],
        )
        for policy in policies
    ]
    lines = [line for line in lines if line.x]
    if relation.joined and len({x for line in lines for x in line.x}) < 2:
        return None
    if sum(len(line.x) for line in lines) < 2:
        return None
    return Plot(
        group=relation.group,
        title=relation.title,
        caption=relation.caption,
        x=relation.x,
        y=relation.y,
        style="line" if relation.joined else "dots",
        lines=tuple(lines),
    )


def _line(policy: str, rows: list[tuple[str, Any, Any]]) -> Line:
    rows.sort(key=lambda row: row[1].mean)
    known = all(up.low is not None and up.high is not None for _, _, up in rows)
    return Line(
        label=policy,
        x=tuple(across.mean for _, across, _ in rows),
        y=tuple(up.mean for _, _, up in rows),
        low=tuple(up.low for _, _, up in rows) if known else (),
        high=tuple(up.high for _, _, up in rows) if known else (),
        notes=tuple(scenario for scenario, _, _ in rows),
    )
