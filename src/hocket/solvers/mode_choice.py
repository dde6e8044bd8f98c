"""Modes for all tasks of a network at once, such that its non-renewable resources suffice."""

from __future__ import annotations

from hocket.solvers.network import Network, TaskMode


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
