"""Schedule generation schemes for activity networks, and what the priority rules rank by.

The serial scheme places one task after the other, each as early as links and capacities allow
(Kelley 1963; Kolisch, EJOR 90, 1996, section 2); the parallel scheme goes through time and starts
whatever fits. Forward-backward improvement pushes a schedule
right and then left again, which never lengthens it (Tormos & Lova, Annals of OR 102, 2001; Valls,
Ballestín & Quintanilla, EJOR 165, 2005).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import msgspec

from hocket.solve.network import (
    End,
    Link,
    Network,
    Schedule,
    TaskMode,
    arcs,
    latest_starts,
    windows,
)

_FLIP: dict[End, End] = {"start": "finish", "finish": "start"}


class Figures(msgspec.Struct, frozen=True):
    """The critical path figures of every task, each a tuple by task (times in ticks).

    Earliest and latest times ignore resources and take the shortest modes; the latest are those of
    a project that ends as early as that allows. `successors` counts all tasks that come after, on
    any path; `positional_weight` is the shortest duration plus those of the immediate successors.
    """

    earliest_start: tuple[int, ...]
    latest_start: tuple[int, ...]
    latest_finish: tuple[int, ...]
    successors: tuple[int, ...]
    positional_weight: tuple[int, ...]


def figures(network: Network) -> Figures:
    """See Figures. The links of `network` hold no contradiction (`windows` finds one)."""
    earliest = windows(network).earliest
    shortest = [task.shortest for task in network.tasks]
    end = max((a + d for a, d in zip(earliest, shortest, strict=True)), default=0)
    latest = latest_starts(network, end)
    below = [set(after) for after in successors(network)]
    weight = [d + sum(shortest[j] for j in sorted(below[i])) for i, d in enumerate(shortest)]
    return Figures(
        earliest,
        latest,
        tuple(s + d for s, d in zip(latest, shortest, strict=True)),
        _descendants(below),
        tuple(weight),
    )


def successors(network: Network) -> tuple[tuple[int, ...], ...]:
    """For every task those that must not start sooner than it, by one link.

    A link orders two tasks when its gap from start to start is never negative. Tasks that order
    each other in a circle have to start together; those links order nothing.
    """
    ahead: list[list[int]] = [
        sorted({after for after, gap in leaving if gap >= 0 and after != i})
        for i, leaving in enumerate(arcs(network))
    ]
    component = _components(ahead)
    return tuple(
        tuple(j for j in after if component[j] != component[i]) for i, after in enumerate(ahead)
    )


def _components(ahead: Sequence[Sequence[int]]) -> list[int]:
    """The strongly connected component of every node (Tarjan's algorithm, iterative)."""
    index = [-1] * len(ahead)
    low = [0] * len(ahead)
    component = [-1] * len(ahead)
    path: list[int] = []
    count = 0
    for root in range(len(ahead)):
        if index[root] >= 0:
            continue
        stack = [(root, iter(ahead[root]))]
        index[root] = low[root] = count
        count += 1
        path.append(root)
        while stack:
            node, children = stack[-1]
            for child in children:
                if index[child] < 0:
                    index[child] = low[child] = count
                    count += 1
                    path.append(child)
                    stack.append((child, iter(ahead[child])))
                    break
                if component[child] < 0:
                    low[node] = min(low[node], index[child])
            else:
                stack.pop()
                if stack:
                    low[stack[-1][0]] = min(low[stack[-1][0]], low[node])
                if low[node] == index[node]:
                    while component[node] < 0:
                        component[path.pop()] = node
    return component


def _descendants(below: list[set[int]]) -> tuple[int, ...]:
    """How many nodes each node of an acyclic graph reaches; a set of nodes is an integer's bits."""
    reached = [0] * len(below)
    for node in reversed(topological(below)):
        for child in below[node]:
            reached[node] |= reached[child] | 1 << child
    return tuple(bits.bit_count() for bits in reached)


def topological(below: Sequence[set[int]]) -> list[int]:
    """The nodes of an acyclic graph, each before its successors; the lowest index goes first."""
    waiting = [0] * len(below)
    for children in below:
        for child in children:
            waiting[child] += 1
    order = [node for node, count in enumerate(waiting) if count == 0]
    for node in order:
        for child in sorted(below[node]):
            waiting[child] -= 1
            if waiting[child] == 0:
                order.append(child)
    return order


class Profile:
    """The use of renewable resources over time, as steps."""

    def __init__(self, capacity: tuple[int, ...]) -> None:
        self.capacity = capacity
        self._times = [0]
        self._levels = [[0] * len(capacity)]

    def fit(self, after: int, duration: int, use: tuple[int, ...]) -> int:
        """The earliest time from `after` on (at least 0) at which the need fits throughout.

        Each need is within its capacity; a task of no duration fits anywhere.
        """
        if duration == 0 or not any(use):
            return after
        start = after
        k = bisect_right(self._times, start) - 1
        while k < len(self._times) and self._times[k] < start + duration:
            level = self._levels[k]
            if any(u + n > c for u, n, c in zip(level, use, self.capacity, strict=True)):
                start = self._times[k + 1]  # the last step is empty, so there is one
            k += 1
        return start

    def add(self, start: int, duration: int, use: tuple[int, ...]) -> None:
        """Occupy the resources from `start` on for `duration` ticks."""
        if duration == 0 or not any(use):
            return
        first, last = self._cut(start), self._cut(start + duration)
        for level in self._levels[first:last]:
            for r, need in enumerate(use):
                level[r] += need

    def peak(self) -> tuple[int, ...]:
        """The highest level of each resource at any time."""
        return tuple(max(column) for column in zip(*self._levels, strict=True))

    def _cut(self, time: int) -> int:
        """The index of the step that starts at `time`, made if there is none."""
        k = bisect_right(self._times, time) - 1
        if self._times[k] != time:
            k += 1
            self._times.insert(k, time)
            self._levels.insert(k, list(self._levels[k - 1]))
        return k


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
    start = [-1] * len(single.tasks)
    waiting = [0] * len(start)
    for children in below:
        for child in children:
            waiting[child] += 1
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
    start, waiting = [-1] * len(single.tasks), [0] * len(single.tasks)
    for children in below:
        for child in children:
            waiting[child] += 1
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


def thrifty_modes(network: Network, *, nodes: int = 20_000) -> tuple[int, ...] | None:
    """A mode for every task such that the stocks suffice; None when the search finds none.

    Depth first, most constrained task first, the mode with the least share of the stocks first;
    cut where even the cheapest rest is too dear. Gives up after `nodes` modes tried: with two or
    more stocks the question is NP-complete (Kolisch & Drexl, IIE Transactions 29, 1997).
    """
    allowed = [[k for k, m in enumerate(t.modes) if network.fits(m)] for t in network.tasks]
    if not all(allowed):
        return None

    def share(mode: TaskMode) -> float:
        return sum(s / max(1, c) for s, c in zip(mode.spend, network.stock, strict=True))

    choices = [
        sorted(ks, key=lambda k: (share(t.modes[k]), t.modes[k].duration, k))
        for t, ks in zip(network.tasks, allowed, strict=True)
    ]
    order = sorted(
        range(len(choices)),
        key=lambda i: (-share(network.tasks[i].modes[choices[i][-1]]), i),
    )
    rest = [[0] * len(network.stock) for _ in range(len(order) + 1)]
    for n in range(len(order) - 1, -1, -1):
        modes = [network.tasks[order[n]].modes[k] for k in choices[order[n]]]
        for r in range(len(network.stock)):
            rest[n][r] = rest[n + 1][r] + min(mode.spend[r] for mode in modes)
    return _descend(network, choices, order, rest, nodes)


def _descend(
    network: Network,
    choices: list[list[int]],
    order: list[int],
    rest: list[list[int]],
    nodes: int,
) -> tuple[int, ...] | None:
    """The depth-first search of `thrifty_modes`, with its own stack of positions."""
    picked = [-1] * len(order)  # a position in choices, by depth
    left = list(network.stock)
    depth = 0
    while 0 <= depth < len(order):
        task = order[depth]
        modes = network.tasks[task].modes
        if picked[depth] >= 0:  # coming back: undo
            spent = modes[choices[task][picked[depth]]].spend
            left = [a + b for a, b in zip(left, spent, strict=True)]
        picked[depth] += 1
        nodes -= 1
        if nodes < 0:
            return None
        if picked[depth] == len(choices[task]):
            picked[depth] = -1
            depth -= 1
            continue
        spent = modes[choices[task][picked[depth]]].spend
        left = [a - b for a, b in zip(left, spent, strict=True)]
        if all(a >= b for a, b in zip(left, rest[depth + 1], strict=True)):
            depth += 1
    if depth < 0:
        return None
    result = [0] * len(order)
    for n, task in enumerate(order):
        result[task] = choices[task][picked[n]]
    return tuple(result)
