"""Empty nodes that are alike can be exchanged; the model may look at one of all these orders only.

Pods that are alike are counted together already. Nodes on which pods run now differ by them: it is
not the same which pods stay.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from hocket.cluster.packing.case import At, Case, Vector
from hocket.cluster.packing.greedy import scarcest
from hocket.cluster.packing.model import Model, Sum


def alike(case: Case) -> list[list[int]]:
    """Classes of two and more empty nodes that can be exchanged.

    None where pods have terms about one another, which tell domains apart, or where changes of
    single pods are forbidden.
    """
    if case.relations.kinds or case.forbidden:
        return []
    enter = np.stack([kind.enter for kind in case.kinds])
    used = set(case.home.tolist())
    classes: dict[object, list[int]] = {}
    for j in range(len(case.names)):
        if j not in used:
            trait = (case.capacity[j].tobytes(), case.gpus[j], enter[:, j].tobytes())
            classes.setdefault(trait, []).append(j)
    return [nodes for nodes in classes.values() if len(nodes) > 1]


def sort(case: Case, at: At, classes: list[list[int]]) -> At:
    """The same assignment with the nodes of each class exchanged, the fullest first."""
    column = scarcest(case)
    load: Vector = case.used(at)[:, column]
    renamed = np.arange(len(case.names) + 1, dtype=np.int32)
    renamed[-1] = -1
    for nodes in classes:
        for new, old in zip(nodes, sorted(nodes, key=lambda j: (-load[j], j)), strict=True):
            renamed[old] = new
    found: At = renamed[at]
    return found


def order(case: Case, model: Model, classes: list[list[int]]) -> None:
    """Look at assignments only in which the nodes of each class are the fuller the earlier."""
    column = scarcest(case)
    for nodes in classes:
        loads = []
        for j in nodes:
            load = Sum()
            for group in model.groups:
                load.extend(group.on(j), case.kinds[group.kind].demand[column])
            loads.append(load.expression)
        for fuller, emptier in pairwise(loads):
            model.cp.add(fuller >= emptier)
