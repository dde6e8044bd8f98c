"""Terms between pods in the constraint model: apart, near, evenly spread, ports.

As `hocket.cluster.packing.legal` has them: what enters a domain must meet them in the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from hocket.cluster.packing.case import Mask
from hocket.cluster.packing.model import Model, Sum
from hocket.cluster.packing.terms import Evenness, Nearness

if TYPE_CHECKING:
    from ortools.sat.python.cp_model import IntVar


def add_terms(model: Model) -> None:
    """Add the constraints of all relations between kinds to a model."""
    census = _Census(model)
    related = model.case.relations
    for conflict in related.conflicts:
        for d in census.domains(conflict.topology, (conflict.one, conflict.other)):
            for g, h in dict.fromkeys(
                [(conflict.one, conflict.other), (conflict.other, conflict.one)]
            ):
                enters = census.enters(g, conflict.topology, d)
                if enters is None:
                    continue
                total = census.total((h,), conflict.topology, d)
                model.cp.add(total.expression <= int(g == h)).only_enforce_if(enters)
    for near in related.near:
        _near(model, census, near)
    for even in related.even:
        _even(model, census, even)


def _near(model: Model, census: _Census, near: Nearness) -> None:
    alone = None
    for d in census.domains(near.topology, (near.kind,)):
        enters = census.enters(near.kind, near.topology, d)
        if enters is None:
            continue
        enough = [enters]
        if near.own:
            if alone is None:
                alone = model.cp.new_bool_var("")
                everywhere = census.everywhere(near.meant)
                model.cp.add(everywhere.expression == 1).only_enforce_if(alone)
            enough.append(~alone)
        there = census.total(near.meant, near.topology, d)
        model.cp.add(there.expression >= 1 + near.own).only_enforce_if(enough)


def _even(model: Model, census: _Census, even: Evenness) -> None:
    labels = model.case.terms.domains(even.topology)
    domains = np.unique(labels[even.counted]).tolist()
    counts = {d: census.total(even.meant, even.topology, d, even.counted) for d in domains}
    least = model.cp.new_int_var(0, len(model.case.keys), "")
    for total in counts.values():
        model.cp.add(total.expression >= least)
    for d, total in counts.items():
        enters = census.enters(even.kind, even.topology, d)
        if enters is not None:
            model.cp.add(total.expression <= least + even.most).only_enforce_if(enters)


class _Census:
    """How many pods of a kind are in a domain, and whether any of them enters it."""

    def __init__(self, model: Model) -> None:
        case = model.case
        self.model, self.case = model, case
        nodes = len(case.names)
        related = set(case.relations.kinds)
        self.groups = {
            kind: [group for group in model.groups if group.kind == kind]
            for kind in case.relations.kinds
        }
        self.rest: dict[int, np.ndarray] = {}
        self.came: dict[int, np.ndarray] = {}
        for kind in sorted(related):
            there = model.frozen & (case.kind == kind) & (model.at >= 0)
            self.rest[kind] = np.bincount(model.at[there], minlength=nodes)
            there &= model.at != case.home
            self.came[kind] = np.bincount(model.at[there], minlength=nodes)
        self._enters: dict[tuple[int, str, int], IntVar | None] = {}

    def domains(self, topology: str, kinds: Iterable[int]) -> list[int]:
        """The domains that pods of these kinds may enter in this model, or have entered."""
        labels = self.case.terms.domains(topology)
        found = set()
        for kind in kinds:
            found |= {int(d) for d in labels[self.came[kind] > 0]}
            for group in self.groups[kind]:
                found |= {int(labels[j]) for j in group.come}
        return sorted(found - {-1})

    def enters(self, kind: int, topology: str, domain: int) -> IntVar | None:
        """A literal that is true where a pod of the kind enters the domain; None if none can."""
        key = (kind, topology, domain)
        if key not in self._enters:
            here = self.case.terms.domains(topology) == domain
            arrivals = [g.come[j] for g in self.groups[kind] for j in g.come if here[j]]
            came = bool(self.came[kind][here].any())
            literal = None
            if came or arrivals:
                literal = self.model.cp.new_bool_var("")
                if came:
                    self.model.cp.add(literal == 1)
                for variable in arrivals:
                    self.model.cp.add(variable == 0).only_enforce_if(~literal)
            self._enters[key] = literal
        return self._enters[key]

    def total(
        self, kinds: Iterable[int], topology: str, domain: int, counted: Mask | None = None
    ) -> Sum:
        """How many pods of these kinds are in a domain; on the nodes that are counted."""
        here = self.case.terms.domains(topology) == domain
        if counted is not None:
            here = here & counted
        total = Sum()
        for kind in kinds:
            total.constant += int(self.rest[kind][here].sum())
            for group in self.groups[kind]:
                for j in self.model.nodes:
                    if here[j]:
                        total.extend(group.on(j))
        return total

    def everywhere(self, kinds: Iterable[int]) -> Sum:
        """How many pods of these kinds are on any node."""
        total = Sum()
        for kind in kinds:
            total.constant += int(self.rest[kind].sum())
            for group in self.groups[kind]:
                for j in self.model.nodes:
                    total.extend(group.on(j))
        return total
