"""Schedule generation schemes for activity networks.

The serial scheme places one task after the other, each as early as links and capacities allow
(Kelley 1963; Kolisch, EJOR 90, 1996, section 2); the parallel scheme goes through time and starts
whatever fits. Forward-backward improvement pushes a schedule right and then left again, which never
lengthens it (Tormos & Lova, Annals of OR 102, 2001; Valls, Ballestín & Quintanilla, EJOR 165,
2005).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hocket.solvers.critical_path import predecessors, successors
from hocket.solvers.network import End, Link, Network, Schedule, arcs, windows
from hocket.solvers.profile import Profile

_FLIP: dict[End, End] = {"start": "finish", "finish": "start"}


def serial(
    network: Network, priority: Sequence[float], modes: Sequence[int], *, repairs: int = 200
) -> Schedule | None:
    """The serial scheme: always the ready task of least `priority`, as early as possible.

    Where a task cannot meet a maximum lag, the tasks that it is too late for are held back by as
    much and the scheme starts again, at most `repairs` times (after Neumann, Schwindt & Zimmermann
    2003, section 2.6, who reschedule in part). None when that, or a deadline, does not work out.
    """
    single = network.restricted(modes)
    lower = list(windows(single).earliest)
    before, after = _incident(single)
    below = [set(children) for children in successors(single)]
    for _ in range(repairs + 1):
        start, late = _place(single, priority, lower, before, after, below)
        if not late:
            return Schedule(tuple(start), tuple(modes))
        for task, delay in late:
            lower[task] = start[task] + delay
        if not all(
            task.deadline is None or at + task.shortest <= task.deadline
            for task, at in zip(single.tasks, lower, strict=True)
        ):
            return None
    return None


_Arcs = list[list[tuple[int, int]]]


def _incident(single: Network) -> tuple[_Arcs, _Arcs]:
    after = arcs(single)
    before: _Arcs = [[] for _ in after]
    for i, leaving in enumerate(after):
        for j, gap in leaving:
            before[j].append((i, gap))
    return before, after


def _place(
    single: Network,
    priority: Sequence[float],
    lower: list[int],
    before: _Arcs,
    after: _Arcs,
    below: list[set[int]],
) -> tuple[list[int], list[tuple[int, int]]]:
    """One pass of the serial scheme: starts, and ``(task, delay)`` that a maximum lag asks for."""
    profile = Profile(single.capacity)
    start, waiting = [-1] * len(single.tasks), predecessors(below)
    ready = [i for i, count in enumerate(waiting) if count == 0]
    while ready:
        i = min(ready, key=lambda task: (priority[task], task))
        ready.remove(i)
        mode = single.tasks[i].modes[0]
        earliest = max([lower[i], *(start[h] + gap for h, gap in before[i] if start[h] >= 0)])
        at = profile.fit(earliest, mode.duration, mode.use)
        # Placed tasks j that must not start before start[i] + gap bound the start of i above.
        late = [
            (j, at + gap - start[j]) for j, gap in after[i] if 0 <= start[j] < at + gap and j != i
        ]
        deadline = single.tasks[i].deadline
        if deadline is not None and at + mode.duration > deadline:
            start[i] = at
            return start, [(i, 0)]
        if late:
            return start, late
        start[i] = at
        profile.add(at, mode.duration, mode.use)
        for child in sorted(below[i]):
            waiting[child] -= 1
            if waiting[child] == 0:
                ready.append(child)
    return start, []


def parallel(network: Network, priority: Sequence[float], modes: Sequence[int]) -> Schedule | None:
    """The parallel scheme: go through time, start what fits, the least `priority` first.

    None when a maximum lag or a deadline is not kept: nothing is taken back.
    """
    single = network.restricted(modes)
    before, after = _incident(single)
    below = [set(children) for children in successors(single)]
    start, waiting = [-1] * len(single.tasks), predecessors(below)
    ready = {i: single.tasks[i].release for i, count in enumerate(waiting) if count == 0}
    profile, now = Profile(single.capacity), 0
    while ready:
        fitting = [
            i
            for i, time in ready.items()
            if time <= now and profile.fit(now, single.tasks[i].shortest, _use(single, i)) == now
        ]
        if not fitting:
            # Levels only fall after now, so what fits at its fit time fits from there on.
            now = min(
                profile.fit(max(now, time), single.tasks[i].shortest, _use(single, i))
                for i, time in ready.items()
            )
            continue
        i = min(fitting, key=lambda task: (priority[task], task))
        del ready[i]
        start[i] = now
        profile.add(now, single.tasks[i].shortest, _use(single, i))
        for child in sorted(below[i]):
            waiting[child] -= 1
            if waiting[child] == 0:
                lags = (start[h] + gap for h, gap in before[child] if start[h] >= 0)
                ready[child] = max([single.tasks[child].release, *lags])
        for child, gap in after[i]:
            if child in ready:
                ready[child] = max(ready[child], now + gap)
    kept = all(start[j] >= start[i] + gap for i, out in enumerate(after) for j, gap in out) and all(
        task.deadline is None or at + task.shortest <= task.deadline
        for task, at in zip(single.tasks, start, strict=True)
    )
    return Schedule(tuple(start), tuple(modes)) if kept else None


def _use(single: Network, i: int) -> tuple[int, ...]:
    return single.tasks[i].modes[0].use


def mirrored(network: Network) -> Network:
    """The network with time reversed; releases and deadlines are dropped."""
    links = tuple(
        Link(link.after, link.before, link.gap, since=_FLIP[link.of], of=_FLIP[link.since])
        for link in network.links
    )
    tasks = tuple(msgspec.structs.replace(t, release=0, deadline=None) for t in network.tasks)
    return msgspec.structs.replace(network, links=links, tasks=tasks)


def forward_backward(network: Network, schedule: Schedule) -> Schedule:
    """Push every task right in the order of finishes, then left in the order of starts.

    One pass of double justification. The makespan never grows; without maximum lags no task that
    the scheme placed well is lost, so passes may be repeated while they help.
    """
    finish = schedule.finish(network)
    end = max(finish, default=0)
    backward = serial(mirrored(network), [end - f for f in finish], schedule.mode)
    if backward is None:
        return schedule
    right = [end - f for f in backward.finish(network)]
    forward = serial(network, right, schedule.mode)
    if forward is None or max(forward.finish(network), default=0) > end:
        return schedule
    return forward
