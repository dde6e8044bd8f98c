"""Timelines from a list of what happened, right or wrong: the record itself is always consistent.

Tick by tick, and as naive as can be: it is what the checker's replay is compared with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from hocket.cluster.model.pods import Pods
from hocket.core.timeline import Timeline


class Event(NamedTuple):
    """Something that happened: one of the points of a timeline of pods."""

    time: int
    kind: str
    pod: str = ""
    node: str = ""


def record(
    cluster: Pods, events: Iterable[Event], end: int, gpus: Mapping[str, str] | None = None
) -> Timeline:
    """The timeline of these events until `end`; `gpus` are those that pods have on their nodes."""
    held, happened = gpus or {}, list(events)
    timeline = Timeline(cluster.time_unit)
    on = {pod.key: pod.node for pod in cluster.pods if pod.node is not None}
    since = dict.fromkeys(on, 0)
    waiting: dict[str, int] = {}
    leaving: dict[str, int] = {}
    priority = {pod.key: pod.priority for pod in cluster.pods}

    for key in on:
        timeline.point("arrive", "", key, "", 0)

    def go(key: str, now: int) -> None:
        timeline.span("run", on.pop(key), key, held.get(key, ""), since.pop(key), now)
        leaving.pop(key, None)

    def wait(key: str, now: int) -> None:
        timeline.span("wait", "", key, "", waiting.pop(key), now)

    for now in range(end + 1):
        at_once = [event for event in happened if event.time == now]
        done = {event.pod for event in at_once if event.kind == "done"}
        for key in [key for key, due in leaving.items() if due == now and key not in done]:
            go(key, now)
            waiting[key] = now
        for event in at_once:
            key = f"default/{event.pod}" if event.pod else ""
            name = event.node if event.kind == "plan" else ""
            lane = "" if event.kind == "plan" else event.node
            timeline.point(event.kind, lane, key, name, now)
            if event.kind == "arrive":
                waiting[key] = now
            elif event.kind == "bind":
                if key in waiting:
                    wait(key, now)
                if key in on:
                    go(key, now)
                on[key], since[key] = event.node, now
            elif event.kind in ("evict", "preempt"):
                leaving[key] = now + cluster.grace
                if not cluster.grace and key in on:
                    go(key, now)
                    waiting[key] = now
            elif event.kind == "done" and key in on:
                go(key, now)
        for level in sorted(set(priority.values())):
            count = sum(priority.get(key) == level for key in waiting)
            timeline.gauge("pending", str(level), now, count)
    for key in list(on):
        go(key, end)
    for key in list(waiting):
        wait(key, end)
    return timeline
