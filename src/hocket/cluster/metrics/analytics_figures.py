"""What runs of an analytics application contribute to a report: responses, slowdown, cores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hocket.cluster.metrics.analytics import by_class, slowdowns
from hocket.cluster.metrics.analytics_jobs import answers, yardstick
from hocket.cluster.model.analytics import Analytics
from hocket.cluster.units import seconds_per_tick
from hocket.core.timeline import Timeline
from hocket.report.figures import Axis, Given, Lane, Level, Line, Plot, Strips
from hocket.report.lines import distribution, short

RESPONSE, SHARES = "Response", "Cores"
READINGS = 400
"""Stretches of time that a strip is divided into, at most."""
MOST = 40
"""So many users are shown one by one."""

Runs = Sequence[tuple[str, Timeline]]


def figures(scenario: Analytics, runs: Runs) -> tuple[Given, ...]:
    """The pictures of `runs`, pairs of a label (a policy) and the timeline it gave.

    Policies share the plots; each has strips of its own for the cores that its users hold.
    """
    found: list[Given] = []
    told = [(label, timeline) for label, timeline in runs if answers(scenario, timeline)]
    if told:
        found += [_slowdown(scenario, told), _responses(scenario, told)]
    found += [_strips(scenario, label, timeline) for label, timeline in told]
    return tuple(found)


def _slowdown(scenario: Analytics, runs: Runs) -> Plot:
    """The share of jobs up to each slowdown."""
    against = yardstick(scenario)
    lines = [
        distribution(label, slowdowns(answers(scenario, timeline), against))
        for label, timeline in runs
    ]
    return Plot(
        group=RESPONSE,
        title="Slowdown",
        caption="Of all jobs, the share that took at most so many times as long as with all cores "
        "to themselves.",
        x=Axis(label="slowdown", log=all(min(line.x) > 0 for line in lines)),
        y=Axis(label="share of jobs", kind="share", low=0, high=1),
        style="steps",
        lines=tuple(lines),
    )


def _responses(scenario: Analytics, runs: Runs) -> Plot:
    """Mean response of each group of users, or of each user, the shortest first."""
    second = seconds_per_tick(scenario.time_unit)
    lines = []
    for label, timeline in runs:
        means = by_class(scenario, answers(scenario, timeline))
        ranked = sorted(means.items(), key=lambda item: item[1])
        values = np.array([value for _, value in ranked]) * second
        lines.append(
            Line(
                label=label,
                x=short(np.arange(1.0, len(ranked) + 1)),
                y=short(values),
                notes=tuple(name or "others" for name, _ in ranked),
            )
        )
    who = "group of users" if scenario.group_of else "user"
    return Plot(
        group=RESPONSE,
        title=f"Response by {who}",
        caption=f"Mean response of every {who}, in ascending order; where all are treated alike, "
        "lines are flat.",
        x=Axis(label="rank"),
        y=Axis(label="mean response", kind="seconds", low=0),
        style="dots",
        lines=tuple(lines),
    )


def _strips(scenario: Analytics, label: str, timeline: Timeline) -> Strips:
    """How many cores each user holds, the most in each stretch of time."""
    user_of = {job.name: job.user for job in scenario.jobs}
    users = list(dict.fromkeys(user_of.values()))
    shown = users if len(users) <= MOST else [*users[: MOST - 1], "others"]
    end = max(1, timeline.end)
    step = -(-end // READINGS)
    changes: dict[str, list[tuple[int, int]]] = {name: [] for name in shown}
    for span in timeline.spans("run"):
        user = user_of[span.group]
        own = changes[user if user in changes else "others"]
        own += ((span.start, 1), (span.end, -1))
    lanes = tuple(
        Lane(name=name, values=(_highest(own, step, end),)) for name, own in changes.items()
    )
    return Strips(
        group=SHARES,
        title=label,
        caption="Cores that each user's tasks run on: the most in each stretch of time.",
        unit=timeline.unit,
        end=end,
        step=step,
        levels=(Level(name="cores", top=float(scenario.cores), style="area"),),
        lanes=lanes,
    )


def _highest(changes: list[tuple[int, int]], step: int, end: int) -> tuple[float, ...]:
    """The highest level within each step, of a level that changes by so much at those times."""
    readings = [0.0] * -(-end // step)
    level = held = 0
    for time, change in sorted(changes):
        place = min(time // step, len(readings) - 1)
        for between in range(held + 1, place + 1):
            readings[between] = level
        held = max(held, place)
        level += change
        readings[place] = max(readings[place], float(level))
    return tuple(readings)
