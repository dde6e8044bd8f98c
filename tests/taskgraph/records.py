"""Timelines of task graphs in pieces, to be made wrong, and a small system whose run is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hocket.core.timeline import Gauge, Point, Span, Timeline
from hocket.taskgraph.model.jobs import Edge, JobType, Task
from hocket.taskgraph.model.processors import Communication, Function, Link, Processor
from hocket.taskgraph.model.scenario import TaskGraphs


@dataclass
class Pieces:
    """The records of a timeline, in lists that can be changed."""

    spans: list[Span] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    gauges: list[Gauge] = field(default_factory=list)
    unit: str = "us"

    @classmethod
    def of(cls, timeline: Timeline) -> Pieces:
        """Those of a timeline."""
        spans, points, gauges = timeline.spans(), timeline.points(), timeline.gauges()
        return cls([*spans], [*points], [*gauges], timeline.unit)

    def run(
        self, lane: str, job: str, task: str, start: int, end: int, kind: str = "run"
    ) -> Pieces:
        """Add a span."""
        self.spans.append(Span(kind, lane, job, task, start, end))
        return self

    def point(self, kind: str, job: str, time: int) -> Pieces:
        """Add a point."""
        self.points.append(Point(kind, "", job, "", time))
        return self

    def jobs(self, *levels: tuple[int, int]) -> Pieces:
        """Add readings of the jobs in the system: pairs of time and number."""
        self.gauges += [Gauge("jobs", "", time, value) for time, value in levels]
        return self

    def frequencies(self, lane: str, *levels: tuple[int, float]) -> Pieces:
        """Add frequencies: pairs of time and megahertz."""
        self.gauges += [Gauge("frequency", lane, time, value) for time, value in levels]
        return self

    @property
    def timeline(self) -> Timeline:
        """Them as a timeline."""
        made = Timeline(self.unit)
        for span in self.spans:
            made.span(*span)
        for point in self.points:
            made.point(*point)
        for gauge in self.gauges:
            made.gauge(*gauge)
        return made


def small(**fields: Any) -> TaskGraphs:
    """Tasks a -> b (3 ticks apart on P and Q) and c, on P and on Q, which runs two at a time.

    P runs a in 4 ticks, b and c in 3; Q runs a in 2, b in 5, and no c.
    """
    p = {"a": Function(duration=4), "b": Function(duration=3), "c": Function(duration=3)}
    q = {"a": Function(duration=2), "b": Function(duration=5)}
    kind = JobType(
        name="G",
        tasks=(Task(name="a"), Task(name="b"), Task(name="c")),
        edges=(Edge(source="a", target="b", volume=6.0),),
    )
    return TaskGraphs(
        **{
            "processors": (
                Processor(name="P", functions=p),
                Processor(name="Q", functions=q, capacity=2),
            ),
            "communication": Communication(links=(Link(between=("P", "Q"), bandwidth=2.0),)),
            "types": (kind,),
            **fields,
        }
    )


def right() -> Pieces:
    """A run of one job of `small`: a on Q, b and c on P."""
    pieces = Pieces().point("arrive", "G#0", 0).jobs((0, 1), (8, 0))
    pieces.run("Q.0", "G#0", "a", 0, 2).run("P", "G#0", "c", 0, 3).run("P", "G#0", "b", 5, 8)
    return pieces.point("done", "G#0", 8)
