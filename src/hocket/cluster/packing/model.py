"""The constraint model: how many pods of each group stay on a node, and how many come to it.

With a group for every pod this is the published model: ``x[i,j]`` is whether pod i stays on or
comes to node j, ``y[i]`` their sum, capacity bounds what is on a node, and the disruption of a
running pod is ``1 + y[i] - 2 x[i,home]`` (Christensen, Mauro and Giallorenzo, arXiv 2511.08373, and
their code). Pods that are alike can share a group; then the variables count, and none of the many
assignments that differ by the names of pods is looked at twice.

The model may be about some of the nodes only: all other pods are taken to be where they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hocket.cluster.model.pods import WHOLE
from hocket.cluster.packing.case import NOWHERE, At, Case
from hocket.cluster.packing.score import PRICES
from hocket.solvers.cpsat import Outcome, cp_model

if TYPE_CHECKING:
    from ortools.sat.python.cp_model import IntVar, LinearExpr

Seat = tuple[int, tuple[int, ...]]
"""A node, and the shared GPUs that pods have there (where it matters which)."""


class Sum:
    """A linear expression in the making."""

    __slots__ = ("constant", "factors", "variables")

    def __init__(self, constant: int = 0) -> None:
        """Nothing but a constant."""
        self.variables: list[Any] = []
        self.factors: list[int] = []
        self.constant = constant

    def add(self, variable: IntVar, factor: int = 1) -> None:
        """Add a multiple of a variable."""
        self.variables.append(variable)
        self.factors.append(factor)

    def extend(self, other: Sum, factor: int = 1) -> None:
        """Add a multiple of another sum."""
        self.variables += other.variables
        self.factors += [factor * f for f in other.factors]
        self.constant += factor * other.constant

    @property
    def expression(self) -> LinearExpr:
        """As the solver wants it."""
        expression = cp_model().LinearExpr.weighted_sum(self.variables, self.factors)
        result: LinearExpr = expression + self.constant
        return result

    def value(self, outcome: Outcome) -> int:
        """What it is in a solution."""
        found = (f * outcome[v] for v, f in zip(self.variables, self.factors, strict=True))
        return self.constant + sum(found)


class Group:
    """Pods of one kind that the model counts together, and their variables.

    - `seats`: the pods whose home is there; `stay`: how many of them stay; `come`: by node, how
      many enter it; `moved`: how many of those that enter ran elsewhere
    """

    def __init__(self, case: Case, kind: int, members: Sequence[int], nodes: Iterable[int]) -> None:
        """Without variables yet."""
        self.kind, self.members = kind, tuple(members)
        inside = set(nodes)
        self.seats: dict[Seat, list[int]] = {}
        for i in self.members:
            home = int(case.home[i])
            if home in inside:
                gpus = case.devices[i] if case.sharing[home] else ()
                self.seats.setdefault((home, gpus), []).append(i)
        self.running = sum(bool(case.home[i] >= 0) for i in self.members)
        self.stay: dict[Seat, IntVar] = {}
        self.come: dict[int, IntVar] = {}
        self.moved = Sum()
        self._on: dict[int, Sum] = {}

    @property
    def pending(self) -> int:
        """How many of them run nowhere now."""
        return len(self.members) - self.running

    def at_home(self, node: int) -> int:
        """How many of them have their home on a node."""
        return sum(len(pods) for (j, _), pods in self.seats.items() if j == node)

    def on(self, node: int) -> Sum:
        """How many of them are on a node; not to be changed."""
        if not self._on:
            for (j, _), variable in self.stay.items():
                self._on.setdefault(j, Sum()).add(variable)
            for j, variable in self.come.items():
                self._on.setdefault(j, Sum()).add(variable)
        return self._on.get(node, Sum())


class Model:
    """The model for some nodes, the pods on them, and some that run nowhere.

    - `groups`: what is counted; `placed[t]`, `disruption[t]`: what tier t and those above reach,
      all pods of the cluster included
    """

    def __init__(
        self, case: Case, at: At, nodes: Sequence[int], loose: Sequence[int], *, alone: bool = False
    ) -> None:
        """For an assignment `at`; with `alone`, each pod is a group of its own.

        `loose` are the pods that run nowhere in `at` and may be placed.
        """
        self.case, self.at, self.nodes = case, at, tuple(nodes)
        self.cp = cp_model().CpModel()
        inside = np.isin(at, self.nodes)
        fixed = [i for i in np.flatnonzero(inside).tolist() if case.fixed(i)]
        inside[fixed] = False
        inside[list(loose)] = True
        self.free = inside
        self.frozen = ~inside
        self.groups = self._group(np.flatnonzero(inside).tolist(), alone)
        for group in self.groups:
            self._variables(group)
        self._capacity()
        if any(case.sharing[j] for j in self.nodes):
            self._devices()
        self._allowances()
        if case.relations.kinds:
            from hocket.cluster.packing.model_terms import add_terms

            add_terms(self)
        for changes in case.forbidden:
            self._forbid(changes)
        self._tiers()

    # Building

    def _group(self, pods: list[int], alone: bool) -> list[Group]:
        members: dict[tuple[int, ...], list[int]] = {}
        for i in pods:
            key = (int(self.case.kind[i]), i) if alone else self.case.alike(i)
            members.setdefault(key, []).append(i)
        return [Group(self.case, key[0], pods, self.nodes) for key, pods in members.items()]

    def _variables(self, group: Group) -> None:
        kind, cp = self.case.kinds[group.kind], self.cp
        demand, capacity = self.case.demand[group.kind], self.case.capacity
        asks = np.flatnonzero(demand > 0)
        for seat, pods in group.seats.items():
            group.stay[seat] = cp.new_int_var(0, len(pods), "")
        for j in self.nodes:
            most = len(group.members) - group.at_home(j)
            if kind.enter[j] and len(asks):
                most = min(most, int((capacity[j, asks] // demand[asks]).min()))
            if kind.enter[j] and most > 0:
                group.come[j] = cp.new_int_var(0, most, "")
        arrivals = Sum()
        for variable in group.come.values():
            arrivals.add(variable)
        everywhere = Sum()
        everywhere.extend(arrivals)
        for variable in group.stay.values():
            everywhere.add(variable)
        cp.add(everywhere.expression <= len(group.members))
        if not group.pending:
            group.moved = arrivals
        elif group.running and group.come:
            moved = cp.new_int_var(0, group.running, "")
            staying = cp_model().LinearExpr.sum(list(group.stay.values()))
            cp.add(moved + staying <= group.running)
            cp.add(arrivals.expression - moved <= group.pending)
            cp.add(moved <= arrivals.expression)
            group.moved.add(moved)

    def _capacity(self) -> None:
        """What is on a node fits; on one that is overcommitted, or nothing enters that asks."""
        case, cp = self.case, self.cp
        kept = np.where(self.frozen, self.at, NOWHERE).astype(np.int32)
        used = case.used(kept)
        for j in self.nodes:
            for k in range(case.capacity.shape[1]):
                load, enters = Sum(), []
                for group in self.groups:
                    demand = case.kinds[group.kind].demand[k]
                    if demand:
                        load.extend(group.on(j), demand)
                        enters += [group.come[j]] if j in group.come else []
                over = int(case.limit[j, k] - case.capacity[j, k])
                room = int(case.capacity[j, k] - used[j, k])
                if not load.variables:
                    continue
                if not over:
                    cp.add(load.expression <= room)
                    continue
                entered = cp.new_bool_var("")
                for variable in enters:
                    cp.add(variable == 0).only_enforce_if(~entered)
                cp.add(load.expression <= room).only_enforce_if(entered)
                cp.add(load.expression <= room + over)

    def _devices(self) -> None:
        """Each GPU on its own: pods that stay keep theirs, those that come get some."""
        case, cp = self.case, self.cp
        for j in self.nodes:
            if not case.sharing[j]:
                continue
            loads = [Sum() for _ in range(case.gpus[j])]
            for i in np.flatnonzero(self.frozen & (self.at == j) & (case.home == j)):
                for device in case.devices[i]:
                    loads[device].constant += case.kinds[case.kind[i]].milli
            for group in self.groups:
                kind = case.kinds[group.kind]
                if not kind.gpus:
                    continue
                for (node, gpus), variable in group.stay.items():
                    for device in gpus if node == j else ():
                        loads[device].add(variable, kind.milli)
                if j in group.come:
                    got = [cp.new_int_var(0, WHOLE // kind.milli, "") for _ in loads]
                    cp.add(cp_model().LinearExpr.sum(got) == kind.gpus * group.come[j])
                    for load, variable in zip(loads, got, strict=True):
                        load.add(variable, kind.milli)
            for load in loads:
                if load.variables:
                    cp.add(load.expression <= WHOLE)

    def _allowances(self) -> None:
        case = self.case
        gone = self.frozen & (case.home >= 0) & (self.at < 0)
        for allowance in case.allowances:
            evicted = Sum(int(np.isin(case.kind[gone], allowance.kinds).sum()))
            for group in self.groups:
                if group.kind in allowance.kinds:
                    evicted.extend(self._evicted(group))
            if evicted.variables:
                self.cp.add(evicted.expression <= allowance.most)

    def _evicted(self, group: Group) -> Sum:
        evicted = Sum(group.running)
        for variable in group.stay.values():
            evicted.add(variable, -1)
        evicted.extend(group.moved, -1)
        return evicted

    def _forbid(self, changes: Sequence[tuple[int, int]]) -> None:
        """At least one of these changes is not made."""
        made = Sum()
        for i, j in changes:
            if self.frozen[i]:
                if self.at[i] != j:
                    return
                continue
            group = next(group for group in self.groups if i in group.members)
            if j == NOWHERE:
                made.constant += 1
                for variable in (*group.stay.values(), *group.come.values()):
                    made.add(variable, -1)
            else:
                made.extend(group.on(j))
            made.constant -= 1
        if made.variables:
            self.cp.add(made.expression <= -1)
        elif made.constant == 0 and any(not self.frozen[i] for i, _ in changes):
            self.cp.add_bool_or([])

    def _tiers(self) -> None:
        case, price = self.case, PRICES[self.case.options.cost]
        tiers = range(len(case.priorities))
        frozen, home = self.frozen, case.home
        lies = frozen & (self.at >= 0)
        cost = price.evict * (frozen & (home >= 0) & (self.at < 0))
        cost = cost + price.move * (lies & (home >= 0) & (self.at != home))
        self.placed = [Sum(int((lies & (case.tier <= t)).sum())) for t in tiers]
        self.disruption = [Sum(int(cost[case.tier <= t].sum())) for t in tiers]
        for group in self.groups:
            every, disturbed = Sum(), Sum(price.evict * group.running)
            for variable in group.stay.values():
                every.add(variable)
                disturbed.add(variable, -price.evict)
            for variable in group.come.values():
                every.add(variable)
            disturbed.extend(group.moved, price.move - price.evict)
            for t in range(case.kinds[group.kind].tier, len(case.priorities)):
                self.placed[t].extend(every)
                if group.running:
                    self.disruption[t].extend(disturbed)

    def group_of(self, pod: int) -> Group:
        """The group that counts a pod."""
        return next(group for group in self.groups if pod in group.members)

    # Hints and solutions

    def stays(self) -> list[tuple[IntVar, int]]:
        """The hint that every pod stays where it runs; of those that wait it says nothing."""
        return [
            (v, len(group.seats[seat])) for group in self.groups for seat, v in group.stay.items()
        ]

    def hint(self, at: At) -> list[tuple[IntVar, int]]:
        """An assignment as values of the variables."""
        home, hints = self.case.home, []
        for group in self.groups:
            for seat, variable in group.stay.items():
                hints.append((variable, sum(int(at[i] == seat[0]) for i in group.seats[seat])))
            came = [int(at[i]) for i in group.members if at[i] >= 0 and at[i] != home[i]]
            for j, variable in group.come.items():
                hints.append((variable, came.count(j)))
            if group.pending and group.moved.variables:
                moved = [i for i in group.members if home[i] >= 0 and at[i] not in (-1, home[i])]
                hints.append((group.moved.variables[0], len(moved)))
        return hints

    def assignment(self, outcome: Outcome) -> At:
        """The assignment of a solution."""
        at = self.at.copy()
        for group in self.groups:
            _seat(self.case, group, outcome, at)
        return at


def _seat(case: Case, group: Group, outcome: Outcome, at: At) -> None:
    """Give the pods of a group the places that a solution has for it."""
    stay = {seat: outcome[variable] for seat, variable in group.stay.items()}
    come = {j: outcome[variable] for j, variable in group.come.items()}
    moved = group.moved.value(outcome)
    for (j, gpus), pods in group.seats.items():
        # Where one leaves and one like it comes, it may as well stay.
        same = min(come.get(j, 0), len(pods) - stay[j, gpus]) if not gpus else 0
        if same:
            come[j] -= same
            stay[j, gpus] += same
            moved = max(moved - same, 0)
    displaced = [i for i in group.members if case.home[i] >= 0]
    for (j, gpus), pods in group.seats.items():
        lucky = sorted(pods, key=lambda i: (int(at[i]) != j, i))[: stay[j, gpus]]
        for i in lucky:
            displaced.remove(i)
            at[i] = j
    pending = [i for i in group.members if case.home[i] < 0]
    places = [j for j, count in come.items() for _ in range(count)]
    for i in (*displaced, *pending):
        at[i] = NOWHERE
    for i, j in zip((*displaced[:moved], *pending), places, strict=False):
        at[i] = j
