"""One request from its arrival to its end: are its spans a way to answer it?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from hocket.core.solution import Violation
from hocket.core.timeline import Span
from hocket.serving.check.arrivals import asked, tenant
from hocket.serving.check.replicas import Fleet, Held, link
from hocket.serving.check.story import Story


class Piece(NamedTuple):
    """A ``run`` span, read: a prefill or decode of so many tokens."""

    prefill: bool
    tokens: int
    span: Span


def follow(fleet: Fleet, story: Story, held: list[Held]) -> list[Violation]:
    """What is wrong with a request. Adds to `held` what its decodes occupy."""
    try:
        prompt, output, limit = asked(story)
    except ValueError:
        return []  # its arrival is unreadable, which has been said
    found = list(_ends(fleet, story, prompt))
    pieces = []
    for span in story.runs:
        kind, _, count = span.name.partition(" ")
        if kind not in ("prefill", "decode") or not count.isdecimal() or span.end <= span.start:
            found.append(Violation("span", f"{story.name} has a span {span.name!r} of no work"))
        elif fleet.pool(span.lane) is None:
            found.append(Violation("replica", f"{story.name} runs on {span.lane}, no replica"))
        else:
            pieces.append(Piece(kind == "prefill", int(count), span))
    walk = _Walk(fleet, story, prompt, pieces)
    found += walk.go(held)
    found += _cancelled(story, walk.generated)
    finish = story.finish
    if finish is not None and not found:
        found += _finish(fleet, story, pieces, walk.generated, (prompt, output, limit))
    return found


def _ends(fleet: Fleet, story: Story, prompt: int) -> Iterator[Violation]:
    arrival = story.arrivals[0].time
    if not story.ends:
        yield Violation("missing", f"{story.name} is neither answered, refused nor cancelled")
    if len(story.ends) > 1:
        kinds = " and ".join(point.kind for point in story.ends)
        yield Violation("twice", f"{story.name} has {kinds}")
    for point in story.ends:
        if point.time < arrival:
            yield Violation("arrival", f"{story.name} has {point.kind} before it arrives")
        if point.kind == "reject" and not fleet.refuses(prompt, tenant(story.arrivals[0].name)):
            yield Violation("reject", f"{story.name} is refused, but {prompt} tokens fit")
        if point.kind == "reject" and story.runs:
            yield Violation("reject", f"{story.name} is refused, but runs")
    if story.runs and story.runs[0].start < arrival:
        yield Violation("arrival", f"{story.name} runs at {story.runs[0].start}, before {arrival}")


def _cancelled(story: Story, generated: int) -> Iterator[Violation]:
    """Nothing happens to a request after its client has gone, and its tokens are those it says."""
    point = next((point for point in story.ends if point.kind == "cancel"), None)
    if point is None:
        return
    last = max((span.end for span in story.runs), default=point.time)
    begun = max((move.start for move in story.moves), default=point.time)
    after = [given.time for given in (*story.preempts, *story.losses, *story.swap_ins)]
    if max(last, begun, *after) > point.time:
        yield Violation("cancel", f"{story.name} goes on after its cancellation at {point.time}")
    if point.name != str(generated):
        told = f"{story.name} is cancelled with {point.name!r} tokens, its spans have {generated}"
        yield Violation("tokens", told)


class _Walk:
    """The state of a request between its spans.

    `generated`: tokens of its answer so far; `lane`: where its memory is, empty if it has none;
    `ready`: since when it could have decoded.
    """

    def __init__(self, fleet: Fleet, story: Story, prompt: int, pieces: list[Piece]) -> None:
        self.fleet, self.story, self.prompt, self.pieces = fleet, story, prompt, pieces
        self.generated = 0
        self.lane, self.ready = "", 0
        self.lanes: list[str] = []  # all that it has been on

    def go(self, held: list[Held]) -> Iterator[Violation]:
        name = self.story.name
        until = 0
        for n, piece in enumerate(self.pieces):
            span = piece.span
            if span.start < until:
                yield Violation("overlap", f"{name} does two things at {span.start}")
            until = span.end
            if piece.prefill:
                yield from self._prefill(n, piece)
            else:
                yield from self._decode(piece, held)
            self.lanes.append(span.lane)

    def _prefill(self, n: int, piece: Piece) -> Iterator[Violation]:
        name, span = self.story.name, piece.span
        if self.lane and not self._lost(self.ready, span.start):
            yield Violation("order", f"{name} is prefilled at {span.start}, but had its memory")
        needed = self.prompt + self.generated
        if piece.tokens > needed:
            yield Violation("tokens", f"{name} computes {piece.tokens} of {needed} tokens")
        if self._completed(n, piece, needed):
            if piece.tokens < needed and not self.fleet.caches(span.lane):
                yield Violation("tokens", f"{name} goes on after {piece.tokens} of {needed} tokens")
            self.generated += 1
            self.lane, self.ready = span.lane, span.end
            return
        self.lane = ""
        if n + 1 < len(self.pieces) and not self._lost(span.end, self.pieces[n + 1].span.start):
            yield Violation("order", f"the prefill of {name} is cut at {span.end} without a reason")

    def _completed(self, n: int, piece: Piece, needed: int) -> bool:
        last = n + 1 == len(self.pieces)
        if self.story.finish is not None if last else not self.pieces[n + 1].prefill:
            return True
        # Cut short, or complete with less to compute, being cached: then it had one token more.
        until = math.inf if last else self.pieces[n + 1].span.start
        told = [count for time, count in self.story.counts if piece.span.end <= time <= until]
        return told[0] > self.generated if told else piece.tokens == needed

    def _decode(self, piece: Piece, held: list[Held]) -> Iterator[Violation]:
        name, span = self.story.name, piece.span
        if not self.lane:
            yield Violation("order", f"{name} decodes at {span.start} without a complete prompt")
        tokens = self.prompt + self.generated - 1  # the latest is not in memory yet
        way = self._way(span) if self.lane else []
        if way or (self.lane and span.lane != self.lane):
            if not way:
                yield Violation("lane", f"{name} changes from {self.lane} to {span.lane} unmoved")
            for move in way:
                yield from link(self.fleet, move, tokens)
        elif self.lane and span.start != self.ready and not self._resumed(span):
            yield Violation("gap", f"{name} could decode from {self.ready}, not {span.start}")
        least = self.fleet.fastest(span.lane, tokens, piece.tokens)
        if span.end - span.start < least:
            told = f"{name} decodes {piece.tokens} tokens in {span.end - span.start} ticks"
            yield Violation("speed", f"{told}; {least} are the least possible")
        held.append(Held(name, span.lane, span.start, span.end, tokens, self.prompt))
        self.generated += piece.tokens
        self.lane, self.ready = span.lane, span.end

    def _lost(self, begin: int, end: int) -> bool:
        """Whether it may have lost its memory in this time."""
        gone = [point.time for point in self.story.preempts if not point.name.startswith("swap")]
        gone += [point.time for point in self.story.losses]
        if any(begin <= time <= end for time in gone):
            return True
        return any(self.fleet.failed(lane, begin, end) for lane in self.lanes)

    def _way(self, span: Span) -> list[Span]:
        """The moves from replica to replica that brought its memory here in time; else empty.

        It decodes from the next iteration on.
        """
        lane, at, way = self.lane, self.ready, []
        for move in sorted(self.story.moves, key=lambda move: move.end):
            if move.kind != "aborted" and move.lane == lane and at <= move.end <= span.start:
                lane, at = move.name, move.end
                way.append(move)
        return way if lane == span.lane else []

    def _resumed(self, span: Span) -> bool:
        """Whether it came back from host memory, or from a migration that was given up."""
        swapped = (p.time for p in self.story.swap_ins if p.lane == span.lane)
        given_up = (m.end for m in self.story.moves if m.kind == "aborted" and m.lane == span.lane)
        return any(self.ready <= time <= span.start for time in (*swapped, *given_up))


def _finish(
    fleet: Fleet, story: Story, pieces: list[Piece], generated: int, lengths: tuple[int, int, int]
) -> Iterator[Violation]:
    finish = story.finish
    if not pieces or finish is None:
        yield Violation("missing", f"{story.name} is answered, but never ran")
        return
    last = pieces[-1].span
    if (finish.lane, finish.time) != (last.lane, last.end):
        yield Violation("finish", f"{story.name} works until {last.end}, ends at {finish.time}")
    targets = fleet.answers(*lengths)
    if generated not in targets:
        told = " or ".join(map(str, sorted(targets)))
        yield Violation("tokens", f"{story.name} gets {generated} tokens, not {told}")
