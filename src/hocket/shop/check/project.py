"""Check a project schedule against its scenario, from the spans of a timeline alone."""

from __future__ import annotations

from collections.abc import Iterator

from hocket.core.solution import Violation
from hocket.core.timeline import Span, Timeline
from hocket.shop.model.project import Activity, Lag, Mode, Project


def check(scenario: Project, timeline: Timeline) -> list[Violation]:
    """Everything that the schedule in `timeline` breaks; an empty list for a feasible schedule.

    Reads the spans of kind ``run``: `group` is the activity, `name` the label of its mode. The
    rules are ``unknown``, ``missing``, ``twice``, ``mode``, ``duration``, ``release``, ``lag``,
    ``capacity`` (renewable) and ``stock`` (non-renewable). Lanes only place an activity in
    pictures: what it uses follows from its mode.
    """
    violations: list[Violation] = []
    done: dict[str, tuple[Span, Mode]] = {}
    known = {activity.name: activity for activity in scenario.activities}
    for span in timeline.spans("run"):
        activity = known.get(span.group)
        if activity is None:
            violations.append(Violation("unknown", f"{span.group!r} is no activity"))
        elif span.group in done:
            violations.append(Violation("twice", f"activity {span.group!r} runs more than once"))
        else:
            mode = _mode(activity, span.name)
            if mode is None:
                told = f"activity {span.group!r} has no mode called {span.name!r}"
                violations.append(Violation("mode", told))
            else:
                done[span.group] = (span, mode)
    seen = {span.group for span in timeline.spans("run")}
    violations += [
        Violation("missing", f"activity {name!r} never runs") for name in known if name not in seen
    ]
    for name, (span, mode) in done.items():
        violations += _own(known[name], span, mode)
    for lag in scenario.lags:
        if lag.before in done and lag.after in done:
            violations += _lag(lag, done[lag.before][0], done[lag.after][0])
    violations += _resources(scenario, done)
    return violations


def _mode(activity: Activity, label: str) -> Mode | None:
    """The mode of this label; see Activity.label."""
    found = [mode for k, mode in enumerate(activity.modes) if activity.label(k) == label]
    return found[0] if found else None


def _own(activity: Activity, span: Span, mode: Mode) -> Iterator[Violation]:
    """What an activity breaks on its own."""
    if span.end - span.start != mode.duration:
        yield Violation(
            "duration",
            f"activity {activity.name!r} runs for {span.end - span.start} from {span.start}, "
            f"but {span.name!r} takes {mode.duration}",
        )
    if span.start < activity.release:
        yield Violation(
            "release",
            f"activity {activity.name!r} starts at {span.start}, "
            f"before its release at {activity.release}",
        )


def _lag(lag: Lag, before: Span, after: Span) -> Iterator[Violation]:
    since = before.start if lag.since == "start" else before.end
    of = after.start if lag.of == "start" else after.end
    what = f"the {lag.of} of {lag.after!r} is {of - since} after the {lag.since} of {lag.before!r}"
    if of - since < lag.least:
        yield Violation("lag", f"{what}, at least {lag.least} is required")
    if lag.most is not None and of - since > lag.most:
        yield Violation("lag", f"{what}, at most {lag.most} is allowed")


def _resources(scenario: Project, done: dict[str, tuple[Span, Mode]]) -> Iterator[Violation]:
    for resource in scenario.resources:
        name = resource.name
        needs = [(span, need) for span, mode in done.values() if (need := mode.demands.get(name))]
        if not resource.renewable:
            total = sum(need for _, need in needs)
            if total > resource.capacity:
                told = f"{total} of {name!r} are spent, {resource.capacity} are there"
                yield Violation("stock", told)
            continue
        alone = [(span, need) for span, need in needs if need > resource.capacity]
        for span, need in alone:  # seen even where the activity takes no time
            told = f"{span.group!r} needs {need} of {name!r}, which has {resource.capacity}"
            yield Violation("capacity", told)
        # The level can only reach a new high where something starts.
        for time in sorted({span.start for span, _ in needs}):
            running = [(s, need) for s, need in needs if s.start <= time < s.end]
            level = sum(need for _, need in running)
            if level > resource.capacity:
                names = ", ".join(repr(span.group) for span, _ in running)
                yield Violation(
                    "capacity",
                    f"at {time}, {names} need {level} of {name!r}, which has {resource.capacity}",
                )
                break
