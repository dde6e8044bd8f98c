"""Large neighbourhood search: a few nodes are packed anew, exactly, all others stay as they are.

Shaw, Using Constraint Programming and Local Search Methods to Solve Vehicle Routing Problems, 1998.
A neighbourhood grows around a pod that waits (nodes that together have room for it) or around one
that is disturbed (its home and where it is now).
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import numpy as np
import numpy.typing as npt

from hocket.cluster.packing.board import Board
from hocket.cluster.packing.case import NOWHERE, At, Case, Vector
from hocket.cluster.packing.clock import Clock
from hocket.cluster.packing.greedy import place_all, waits
from hocket.cluster.packing.legal import legal
from hocket.cluster.packing.model import Model, Sum
from hocket.cluster.packing.score import PRICES, score
from hocket.core.streams import Streams
from hocket.solvers.cpsat import cp_model

FIRST, LARGEST = 16, 96
"""So many pods has a neighbourhood at first, and at most."""

LOOSE = 12
"""So many waiting pods may be placed in one neighbourhood."""

LINKED = 64
"""So many nodes are considered around a pod."""

STEP = 5e-6
"""Seconds that a neighbourhood takes beside the solver, for every pod of the cluster."""

TRIED = 128
"""On so many nodes is room looked for at once, for pods that had to go."""

PLACE, POLISH = 0.15, 0.06
"""How long (seconds) a place is looked for in one neighbourhood, and the best of all there."""

_HEAVIEST = 2**44


class Neighbourhoods:
    """The search, which can be taken up again; `at` is the best assignment so far."""

    def __init__(self, case: Case, at: At, clock: Clock) -> None:
        """From an assignment."""
        self.case, self.at, self.clock = case, at, clock
        self.random = Streams(case.options.seed)["packing.neighbourhoods"]
        self.pods = float(FIRST)
        self.turn = 0
        self._failures = np.zeros(len(case.kinds))
        self.vain = 0
        """How many neighbourhoods in a row were searched in vain."""

    def run(self, until: float, enough: Callable[[At], bool], patience: float = inf) -> None:
        """Search until the clock shows `until`, the best is good enough, or patience ends.

        Patience is how many neighbourhoods in a row may be searched in vain.
        """
        self.vain = 0
        while self.clock.left > 0 and self.clock.spent < until and not enough(self.at):
            if self.vain >= patience or not self.step():
                return

    def step(self) -> bool:
        """Search one neighbourhood; False when there is none worth it."""
        case = self.case
        waiting = waits(case, self.at)
        moved = np.flatnonzero((case.home >= 0) & (self.at != case.home)).tolist()
        if not waiting and not moved:
            return False
        self.turn += 1
        self.clock.work(STEP * len(self.at))
        if waiting and (not moved or self.turn % 3):
            pod = self._choose(waiting)
            nodes = self._around_waiting(pod)
            found = self._place(pod, nodes, self._loose(pod, waiting, nodes))
        else:
            pod = int(self.random.choice(moved))
            nodes = self._around_moved(pod, moved)
            model = Model(case, self.at, nodes, self._loose(pod, waiting, nodes))
            found = self._polish(model, self.at)
        if found is not None:
            found = self._resettle(found)
        better = found is not None and score(case, found) > score(case, self.at)
        if found is None or not better or (case.forbidden and not legal(case, found)):
            self.vain += 1
            self._failures[case.kind[pod]] += 1
            self.pods = min(self.pods * 1.03, LARGEST)
            return True
        self.at, self.vain = found, 0
        self.pods = max(self.pods * 0.9, FIRST)
        self.clock.told(found)
        return True

    def _choose(self, waiting: list[int]) -> int:
        """One of those that wait: an important one more often, and one tried in vain less often."""
        if self.case.preemptor in waiting:
            return self.case.preemptor
        tiers = self.case.tier[waiting]
        weight = 0.5 ** np.searchsorted(np.unique(tiers), tiers)
        weight = weight / (1 + self._failures[self.case.kind[waiting]])
        return int(self.random.choice(waiting, p=weight / weight.sum()))

    def _around_waiting(self, pod: int) -> list[int]:
        """Nodes with much free of what it asks for more often; every third may be no place for it.

        Those that cannot take the pod itself can take others, which then make room.
        """
        case = self.case
        kind = case.kinds[case.kind[pod]]
        demand = np.array(kind.demand)
        asks = np.flatnonzero(demand > 0)
        free = (case.capacity - case.used(self.at))[:, asks]
        share = np.clip(free / np.maximum(demand[asks], 1), 0, 1)
        weight = share.mean(axis=1) + 0.1 if len(asks) else np.ones(len(free))
        weight = weight ** self.random.integers(0, 5)
        able, unable = np.flatnonzero(kind.enter), np.flatnonzero(~kind.enter)
        order = self._shuffled(able, weight)
        others = self._shuffled(unable, weight)
        for place, j in enumerate(others[: len(order)]):
            order.insert(3 * place + 2, j)
        return self._enough(order)

    def _shuffled(self, nodes: Vector, weight: npt.NDArray[np.float64]) -> list[int]:
        """At most `LINKED` of these nodes, the heavier ones more often and earlier."""
        if not len(nodes):
            return []
        chance = weight[nodes] / weight[nodes].sum()
        some = min(len(nodes), LINKED)
        chosen: list[int] = self.random.choice(nodes, some, replace=False, p=chance).tolist()
        return chosen

    def _around_moved(self, pod: int, moved: list[int]) -> list[int]:
        """Its home and where it is, then the homes of those there and where others of these went.

        So moves that made room for one another are looked at, and undone, together.
        """
        home, at = self.case.home, self.at
        links: dict[int, list[int]] = {}
        for i in (int(i) for i in self.random.permutation(moved)):
            if at[i] != NOWHERE:
                links.setdefault(int(home[i]), []).append(int(at[i]))
                links.setdefault(int(at[i]), []).append(int(home[i]))
        nodes = [int(j) for j in (home[pod], at[pod]) if j != NOWHERE]
        for j in nodes:  # grows while it is looked through
            if len(nodes) >= LINKED:
                break
            nodes += [k for k in links.get(j, ()) if k not in nodes][:LINKED]
        others = self.random.permutation(len(self.case.names))[:LINKED]
        return self._enough(list(dict.fromkeys([*nodes, *others.tolist()])))

    def _enough(self, nodes: list[int]) -> list[int]:
        """The first of these nodes, as many as have the pods of one neighbourhood."""
        count = np.bincount(self.at[self.at >= 0], minlength=len(self.case.names))
        chosen: list[int] = []
        pods = 0
        for j in nodes:
            chosen.append(j)
            pods += int(count[j]) + 1
            if pods >= self.pods and len(chosen) >= 2:
                break
        return sorted(chosen)

    def _loose(self, pod: int, waiting: list[int], nodes: list[int]) -> list[int]:
        kinds, kind = self.case.kinds, self.case.kind
        able = [i for i in waiting if i != pod and kinds[kind[i]].enter[nodes].any()]
        picked = [int(i) for i in self.random.permutation(able)[:LOOSE]] if able else []
        own = [pod] if self.at[pod] == NOWHERE else []
        return sorted([*own, *picked])

    def _place(self, pod: int, nodes: list[int], loose: list[int]) -> At | None:
        """One more pod of this pod's tier placed, tiers above no worse; then as good as possible.

        To ask for any such assignment first, not for the best, is what makes this fast.
        """
        case, model = self.case, Model(self.case, self.at, nodes, loose)
        t = int(case.tier[pod])
        now = score(case, self.at).tiers
        if pod == case.preemptor:
            model.cp.add(cp_model().LinearExpr.sum(list(model.group_of(pod).come.values())) >= 1)
        else:
            for above in range(t):
                model.cp.add(model.placed[above].expression >= now[above][0])
                model.cp.add(model.disruption[above].expression <= -now[above][1])
            model.cp.add(model.placed[t].expression >= now[t][0] + 1)
        outcome = self.clock.solve(model.cp, PLACE, model.hint(self.at), workers=1)
        if not outcome.found:
            return None
        found = model.assignment(outcome)
        polished = self._polish(model, found)
        return found if polished is None else polished

    def _resettle(self, at: At) -> At:
        """The same, and pods that had to go for others placed elsewhere, if there is room."""
        gone = np.flatnonzero((at == NOWHERE) & (self.at != NOWHERE))
        if not len(gone):
            return at
        nodes = len(self.case.names)
        some = np.sort(self.random.permutation(nodes)[:TRIED])
        board = Board(self.case, at, some.tolist())
        place_all(board, gone[np.argsort(self.case.tier[gone], kind="stable")].tolist())
        return board.at

    def _polish(self, model: Model, at: At) -> At | None:
        """The best assignment that is found on the nodes of a model, starting from one."""
        goal = weighted(self.case, model)
        if not goal.variables:
            return None
        model.cp.minimize(goal.expression)
        outcome = self.clock.solve(model.cp, POLISH, model.hint(at), workers=1)
        return model.assignment(outcome) if outcome.found else None


def weighted(case: Case, model: Model) -> Sum:
    """All parts of the score in one sum to minimise, each outweighing all that come after it.

    The last ones are left out where the weights would grow too large for the solver.
    """
    tier = case.tier[model.free]
    running = (case.home >= 0)[model.free]
    dearest = max(PRICES[case.options.cost])
    parts: list[tuple[Sum, int, int]] = []
    if case.preemptor != NOWHERE and model.free[case.preemptor]:
        asked = Sum()
        for variable in model.group_of(case.preemptor).come.values():
            asked.add(variable)
        parts.append((asked, -1, 1))
    for t in range(len(case.priorities)):
        parts.append((model.placed[t], -1, int((tier <= t).sum())))
        parts.append((model.disruption[t], 1, dearest * int((running & (tier <= t)).sum())))
    kept, scale = [], 1
    for part in parts:
        if part[0].variables:
            scale *= part[2] + 1
            if scale > _HEAVIEST:
                break
            kept.append(part)
    total, weight = Sum(), 1
    for expression, sign, widest in reversed(kept):
        total.extend(expression, sign * weight)
        weight *= widest + 1
    return total
