"""Is this what such a cluster can do? Judged from the scenario and the timeline alone.

The points of the timeline are carried out again, in their order, on books of the checker's own;
each is judged by the rules of `hocket.cluster.simulate`. The spans and gauges must be what follows
from the points. What a policy may choose freely (whether to place a pod that fits, and where) is no
matter of the checker.
"""

from __future__ import annotations

from collections.abc import Iterable

from hocket.cluster.check.replay import Replay, Stay
from hocket.cluster.model.pods import Pods
from hocket.core.solution import Violation
from hocket.core.timeline import Span, Timeline


def check(scenario: Pods, timeline: Timeline) -> list[Violation]:
    """Every rule of `scenario` that `timeline` breaks; empty for a run that is possible.

    - binds: ``twice``, ``gated``, ``cordoned``, ``taint``, ``selector``, ``capacity``, ``gpu``,
      ``port``, ``near``, ``apart``, ``spread``, ``order``
    - leaving: ``leave``, ``protected``, ``budget``, ``preempt``, ``plan``, ``wave``, ``grace``,
      ``skip``
    - times: ``arrival``, ``lifetime``, ``horizon``, ``time``
    - the record itself: ``unknown``, ``span``, ``gauge``
    """
    replay = Replay(scenario, timeline)
    for point in timeline.points():
        replay.take(point)
    end = timeline.end
    if scenario.horizon is not None and end > scenario.horizon:
        message = f"the record goes on to {end}, but the run ends at {scenario.horizon}"
        replay.found.append(Violation("horizon", message))
    replay.close(end)
    return [
        *replay.found,
        *_spans(replay.stays, timeline),
        *_gauges(replay, timeline),
    ]


def _spans(stays: list[Stay], timeline: Timeline) -> list[Violation]:
    """Runs and waits must be those that follow from the points; a wait of no time is no matter."""
    found = [
        Violation("unknown", f"a span of kind {span.kind!r}, which pods do not have")
        for span in timeline.spans()
        if span.kind not in ("run", "wait")
    ]
    for kind, runs in (("run", True), ("wait", False)):
        wanted = [stay for stay in stays if bool(stay.node) == runs]
        found += _compared(kind, wanted, timeline.spans(kind))
    return found


def _compared(kind: str, wanted: list[Stay], spans: Iterable[Span]) -> list[Violation]:
    told: dict[Stay, int] = {}
    for span in spans:
        stay = Stay(span.group, span.lane if kind == "run" else "", span.start, span.end)
        told[stay] = told.get(stay, 0) + 1
    found = []
    for stay in wanted:
        if told.get(stay, 0):
            told[stay] -= 1
        elif kind == "run" or stay.start != stay.end:
            found.append(Violation("span", f"there is no span of what happened: {_told(stay)}"))
    found += [
        Violation("span", f"this did not happen: {_told(stay)}")
        for stay, count in told.items()
        if count and (kind == "run" or stay.start != stay.end)
    ]
    return found


def _told(stay: Stay) -> str:
    what = f"runs on {stay.node!r}" if stay.node else "waits"
    return f"{stay.pod} {what} from {stay.start} to {stay.end}"


def _gauges(replay: Replay, timeline: Timeline) -> list[Violation]:
    """The gauge ``pending`` must show, after each tick, how many pods of a priority wait."""
    told: dict[str, dict[int, float]] = {}
    for gauge in timeline.gauges():
        if gauge.name != "pending":
            return [Violation("unknown", f"a gauge {gauge.name!r}, which clusters do not have")]
        told.setdefault(gauge.lane, {})[gauge.time] = gauge.value
    wanted = {str(priority): dict(steps) for priority, steps in replay.pending.items()}
    found = []
    for lane in dict.fromkeys([*wanted, *told]):
        right, said = wanted.get(lane, {}), told.get(lane, {})
        level = shown = 0.0
        for time in sorted({*right, *said}):
            level, shown = right.get(time, level), said.get(time, shown)
            if level != shown:
                message = f"pending of {lane} is told to be {shown:g} at {time}, but is {level:g}"
                found.append(Violation("gauge", message))
                break
    return found
