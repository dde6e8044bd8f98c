"""Priorities of the tasks of a graph, computed before anything is placed.

A mean duration is over the processors that can run a task; a mean delay over all ordered pairs of
different processors, each in whole ticks. Where all links are alike, as in the textbook examples,
that is the weight of the edge (Topcuoglu et al. 2002 use the mean bandwidth).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from hocket.taskgraph.model.graph import NEVER, Graph, Platform


def mean_delays(platform: Platform) -> Callable[[float], float]:
    """The function `Platform.mean_delay`, prepared for many volumes."""
    count = len(platform.names)
    if count == 1:
        return lambda volume: 0.0
    if platform.to_memory is not None:
        # Each processor sends as often as it receives, in count - 1 of count * (count - 1) pairs.
        memory = platform.to_memory
        return lambda volume: 2 * sum(int(volume / rate) for rate in memory) / count
    rates = Counter(
        band for a, row in enumerate(platform.bandwidth) for b, band in enumerate(row) if a != b
    )
    pairs = count * (count - 1)
    kinds = [(rate, times) for rate, times in rates.items() if rate is not None]
    return lambda volume: sum(int(volume / rate) * times for rate, times in kinds) / pairs


def upward_ranks(graph: Graph, platform: Platform) -> list[float]:
    """rank_u: the length of the longest path from a task's start to the end, by means.

    Topcuoglu, Hariri, Wu, IEEE Transactions on Parallel and Distributed Systems 13 (2002), eq. 8.
    """
    delay = mean_delays(platform)
    rank = [0.0] * len(graph.tasks)
    for task in reversed(graph.order):
        longest = 0.0
        for after, volume in graph.outputs[task]:
            length = delay(volume) + rank[after]
            if length > longest:
                longest = length
        rank[task] = graph.mean(task) + longest
    return rank


def downward_ranks(graph: Graph, platform: Platform) -> list[float]:
    """rank_d: the length of the longest path from the beginning to a task's start, by means.

    Topcuoglu et al. 2002, equation 10.
    """
    delay = mean_delays(platform)
    rank = [0.0] * len(graph.tasks)
    for task in graph.order:
        for before, volume in graph.inputs[task]:
            length = rank[before] + graph.mean(before) + delay(volume)
            if length > rank[task]:
                rank[task] = length
    return rank


def optimistic_costs(graph: Graph, platform: Platform) -> list[list[float]]:
    """OCT[t][p]: ticks from the end of task t on p to the end of the graph, on idle processors.

    Each task after it takes the processor that is best for its own longest path; what stays on p is
    delayed as p delays it (not at all, in the paper), what leaves by the mean delay. NEVER where p
    cannot run t. Arabnejad, Barbosa, IEEE Transactions on Parallel and Distributed Systems 25
    (2014).
    """
    delay = mean_delays(platform)
    count = len(platform.names)
    table: list[list[float]] = [[] for _ in graph.tasks]
    for task in reversed(graph.order):
        row: list[float] = [NEVER] * count
        for p in graph.able[task]:
            row[p] = 0
        for after, volume in graph.outputs[task]:
            spent = graph.durations[after]
            rest = [(table[after][w] + spent[w], w) for w in graph.able[after]]
            best, at = min(rest)
            second = min((cost for cost, w in rest if w != at), default=NEVER)
            away = delay(volume)
            for p in graph.able[task]:
                cost = (second if p == at else best) + away
                if spent[p] != NEVER:
                    cost = min(cost, table[after][p] + spent[p] + platform.delay(volume, p, p))
                if cost > row[p]:
                    row[p] = cost
        table[task] = row
    return table


def adjusted_median(graph: Graph, task: int) -> float:
    """E*: the median duration over all processors; the longest finite one if that is infinite.

    Sih, Lee, IEEE Transactions on Parallel and Distributed Systems 4 (1993).
    """
    times = sorted(graph.durations[task])
    middle = len(times) // 2
    pair = (times[middle], times[middle] if len(times) % 2 else times[middle - 1])
    if NEVER in pair:
        return times[len(graph.able[task]) - 1]
    return sum(pair) / 2


def static_levels(graph: Graph) -> list[float]:
    """SL: the longest path from a task's start to the end by adjusted medians, without delays."""
    level = [0.0] * len(graph.tasks)
    for task in reversed(graph.order):
        longest = max((level[after] for after, _ in graph.outputs[task]), default=0.0)
        level[task] = adjusted_median(graph, task) + longest
    return level
