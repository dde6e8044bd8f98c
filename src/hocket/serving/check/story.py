"""Everything that a timeline tells of one request."""

from __future__ import annotations

from operator import attrgetter

from hocket.core.timeline import Point, Span, Timeline

MOVES = frozenset({"migrate", "aborted", "transfer"})


class Story:
    """The records of one request: its points by kind, `runs` by time, and its moves."""

    __slots__ = (
        "arrivals",
        "counts",
        "ends",
        "losses",
        "moves",
        "name",
        "preempts",
        "runs",
        "swap_ins",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.arrivals: list[Point] = []
        self.ends: list[Point] = []  # finish, reject and cancel
        self.preempts: list[Point] = []
        self.losses: list[Point] = []  # its replica failed
        self.swap_ins: list[Point] = []
        self.counts: list[
            tuple[int, int]
        ] = []  # when something said how many tokens it had, how many
        self.runs: list[Span] = []
        self.moves: list[Span] = []

    @property
    def finish(self) -> Point | None:
        """When it was answered."""
        return next((point for point in self.ends if point.kind == "finish"), None)


def stories(timeline: Timeline) -> tuple[list[Story], list[str]]:
    """The requests that arrive, in order, and who is recorded without having arrived."""
    found: dict[str, Story] = {}
    strangers: dict[str, None] = {}
    for point in timeline.points("arrive"):
        found.setdefault(point.group, Story(point.group)).arrivals.append(point)
    for point in timeline.points():
        story = found.get(point.group)
        if point.kind == "arrive" or not point.group:
            continue
        if story is None:
            strangers[point.group] = None
        elif point.kind in ("finish", "reject", "cancel"):
            story.ends.append(point)
        elif point.kind == "preempt":
            story.preempts.append(point)
        elif point.kind == "lost":
            story.losses.append(point)
        elif point.kind == "swap-in":
            story.swap_ins.append(point)
        if story is not None and point.kind in ("preempt", "lost", "cancel"):
            count = point.name.rpartition(" ")[2]
            if count.isdecimal():
                story.counts.append((point.time, int(count)))
    for span in timeline.spans():
        story = found.get(span.group)
        if story is None:
            if span.group:
                strangers[span.group] = None
        elif span.kind == "run":
            story.runs.append(span)
        elif span.kind in MOVES:
            story.moves.append(span)
    for story in found.values():
        story.runs.sort(key=attrgetter("start", "end"))
    return list(found.values()), list(strangers)
