"""The critical path figures of an activity network: what the priority rules rank by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from hocket.solvers.network import Network, arcs, latest_starts, windows


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


def predecessors(below: Sequence[Iterable[int]]) -> list[int]:
    """How many direct predecessors every node has."""
    count = [0] * len(below)
    for children in below:
        for child in children:
            count[child] += 1
    return count


def topological(below: Sequence[set[int]]) -> list[int]:
    """The nodes of an acyclic graph, each before its successors; the lowest index goes first."""
    waiting = predecessors(below)
    order = [node for node, count in enumerate(waiting) if count == 0]
    for node in order:
        for child in sorted(below[node]):
            waiting[child] -= 1
            if waiting[child] == 0:
                order.append(child)
    return order
