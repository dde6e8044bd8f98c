"""A snapshot as numbers: pods that are alike, nodes, and what each may take of the other.

Amounts of every resource are divided by their greatest common divisor, and resources that can never
run out are left out. Both change no answer and spare the solver large numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec
import numpy as np
import numpy.typing as npt

from hocket.cluster.filters import Eligibility
from hocket.cluster.model.covering import Covering
from hocket.cluster.model.pods import WHOLE, Pods
from hocket.cluster.packing.options import Options
from hocket.cluster.packing.terms import Terms, Wants, relations
from hocket.cluster.state import State
from hocket.core.errors import UnknownName, UserError

Mask = npt.NDArray[np.bool_]
Vector = npt.NDArray[np.int64]

At = npt.NDArray[np.int32]
"""An assignment: the node of every pod, or `NOWHERE`."""

Changes = frozenset[tuple[str, str | None]]
"""Changes of pods, by key: their new node, or None where they are evicted for good."""

NOWHERE = -1
"""The node of a pod that runs nowhere."""


class Kind(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Pods that differ in nothing but their name, their owner and where they run.

    - `tier`: the place of their priority, 0 for the most important
    - `demand`: what one of them takes of each resource
    - `gpus`, `milli`: shared GPUs, and thousandths of each
    - `enter`: the nodes that may ever take one, were they empty
    - `pinned`: those that run must stay where they are
    """

    tier: int
    demand: tuple[int, ...]
    gpus: int
    milli: int
    enter: Mask
    pinned: bool


class Allowance(msgspec.Struct, frozen=True, kw_only=True):
    """How many pods of some kinds may be evicted for good, by a disruption budget."""

    kinds: tuple[int, ...]
    most: int


class Case:
    """What the search works on. Pods and nodes are numbers, in the order of the scenario.

    - `keys`, `names`: of pods, and of nodes; `priorities`: of the tiers
    - `home`: where pods run now, those that have to leave their node excepted: they wait, like all
      that run nowhere; `devices`: which of its node's shared GPUs each has
    - `kind`: the kind of every pod; `kinds`: what they are; `tier`: of every pod
    - `demand` (kinds, resources); `capacity` (nodes, resources); the last resource is thousandths
      of shared GPUs
    - `limit`: as `capacity`, but what is taken now where that is more: a node that is overcommitted
      may keep its pods as long as none enters that asks for more of it
    - `gpus`: shared GPUs of every node; `sharing`: whether it matters which of them a pod has
    - `relations`: what kinds ask of one another
    - `forbidden`: sets of changes of which one must not be made; `named`: the pods in them
    """

    def __init__(
        self,
        cluster: Pods,
        options: Options,
        preemptor: str = "",
        forbidden: Iterable[Changes] = (),
    ) -> None:
        """See `hocket.cluster.packing.search.pack` for the arguments and the errors."""
        state = State.of(cluster)
        self.options = options
        self.names = [node.name for node in cluster.nodes]
        self.keys = [pod.key for pod in cluster.pods]
        self.priorities = cluster.priorities
        present = {pod.key: state.where.get(pod.key, NOWHERE) for pod in cluster.pods}
        present.update((pod.key, NOWHERE) for pod in cluster.pods if pod.drained)
        self.home: At = np.array([*present.values()], dtype=np.int32)
        self.devices = [state.holds.get(key, ()) for key in self.keys]
        number = {key: i for i, key in enumerate(self.keys)}
        self.preemptor = self._preemptor(number, preemptor)
        self.gpus = [node.gpus for node in cluster.nodes]
        amounts, self.capacity = _amounts(cluster, state)
        self.kinds: list[Kind] = []
        self._kinds(cluster, amounts)
        self.demand = np.array([kind.demand for kind in self.kinds], dtype=np.int64)
        self.demand = self.demand.reshape(len(self.kinds), self.capacity.shape[1])
        self.tier = np.array([self.kinds[k].tier for k in self.kind], dtype=np.int64)
        self.limit = np.maximum(self.capacity, self.used(self.home))
        parts = any(kind.gpus and kind.milli < WHOLE for kind in self.kinds)
        self.sharing = [parts and gpus > 0 for gpus in self.gpus]
        index = {name: j for j, name in enumerate(self.names)}
        self.forbidden = [
            tuple((number[key], NOWHERE if node is None else index[node]) for key, node in changes)
            for changes in (sorted(c, key=lambda c: (c[0], c[1] or "")) for c in forbidden)
        ]
        self.named = {i for changes in self.forbidden for i, _ in changes}

    def used(self, at: At) -> Vector:
        """What pods take of every node (nodes, resources), if they are there."""
        used = np.zeros_like(self.capacity)
        there = np.flatnonzero(at >= 0)
        np.add.at(used, at[there], self.demand[self.kind[there]])
        return used

    def forbids(self, at: At) -> bool:
        """Whether all the changes of a forbidden set are made."""
        return any(all(at[i] == j for i, j in changes) for changes in self.forbidden)

    def alike(self, pod: int) -> tuple[int, ...]:
        """Pods for which this is the same may be counted together.

        They are of one kind. A pod that has parts of GPUs is counted only with those of its node.
        Else, if it left and one like it came to other GPUs there, it would seem to have stayed.
        """
        kind, home = int(self.kind[pod]), int(self.home[pod])
        if pod in self.named:
            return kind, pod
        if home != NOWHERE and self.sharing[home] and self.kinds[kind].gpus:
            return kind, NOWHERE, home
        return (kind,)

    def fixed(self, pod: int) -> bool:
        """Whether a pod runs and must stay."""
        return bool(self.home[pod] >= 0) and self.kinds[self.kind[pod]].pinned

    def _preemptor(self, number: dict[str, int], key: str) -> int:
        if self.options.trigger == "batch":
            if key:
                raise UserError("a preemptor needs trigger: one")
            return NOWHERE
        if key not in number:
            raise UnknownName("pod", key, number, "The trigger 'one' needs the key of a pod.")
        if self.home[number[key]] >= 0:
            raise UserError(f"pod {key!r} runs already; name one that waits")
        return number[key]

    def _kinds(self, cluster: Pods, amounts: Vector) -> None:
        terms, eligibility = Terms(cluster), Eligibility(cluster.nodes)
        budgeted = _budgeted(cluster)
        left = [b.most for b in budgeted.budgets]
        number: dict[object, int] = {}
        masks: dict[object, Mask] = {}
        wanted: list[Wants] = []
        matched: list[tuple[int, ...]] = []
        counted: dict[int, Mask] = {}
        kind = np.zeros(len(cluster.pods), dtype=np.int64)
        tiers = {priority: t for t, priority in enumerate(cluster.priorities)}
        for i, pod in enumerate(cluster.pods):
            wants, budgets = terms.wants(pod), budgeted.of[i]
            able = (pod.selector, pod.affinity, pod.tolerations, pod.gated, wants.labels)
            demand = tuple(amounts[i].tolist())
            size = (demand, pod.gpus, pod.gpu_milli)
            about = (wants, terms.matched(pod), budgets, pod.protected, i == self.preemptor)
            signature = (pod.priority, able, size, about)
            if signature not in number:
                if (able, size) not in masks:
                    enter = eligibility.mask(pod) & terms.labelled(wants.labels)
                    enter &= np.all(self.capacity >= amounts[i], axis=1)
                    enter &= np.array(self.gpus) >= pod.gpus
                    masks[able, size] = enter & (not pod.gated)
                if wants.spread:
                    counted[len(wanted)] = eligibility.meets(pod) & terms.labelled(
                        tuple(spread.topology for spread in wants.spread)
                    )
                number[signature] = len(wanted)
                wanted.append(wants)
                matched.append(terms.matched(pod))
                self.kinds.append(
                    Kind(
                        tier=tiers[pod.priority],
                        demand=demand,
                        gpus=pod.gpus,
                        milli=pod.gpu_milli,
                        enter=masks[able, size],
                        pinned=pod.protected or any(left[b] <= 0 for b in budgets),
                    )
                )
            kind[i] = number[signature]
        self.kind = kind
        self.terms = terms
        self.relations = relations(wanted, matched, counted)
        self.allowances = tuple(
            Allowance(
                kinds=tuple(sorted({int(kind[i]) for i in budget.pods})),
                most=budget.most,
            )
            for budget in budgeted.budgets
            if 0 < budget.most < sum(self.home[i] >= 0 for i in budget.pods)
        )


class _Covered(msgspec.Struct, frozen=True):
    pods: tuple[int, ...]
    most: int


class _Budgeted(msgspec.Struct, frozen=True):
    budgets: tuple[_Covered, ...]
    of: list[tuple[int, ...]]


def _budgeted(cluster: Pods) -> _Budgeted:
    """The pods of every budget, and the budgets of every pod; how many more may be down."""
    covering = Covering(cluster.budgets)
    of = [covering.of(pod) for pod in cluster.pods]
    covered: list[list[int]] = [[] for _ in cluster.budgets]
    for i, numbers in enumerate(of):
        for b in numbers:
            covered[b].append(i)
    budgets = []
    for budget, pods in zip(cluster.budgets, covered, strict=True):
        up = sum(cluster.pods[i].node is not None for i in pods)
        budgets.append(_Covered(tuple(pods), up - budget.needed(len(pods))))
    return _Budgeted(tuple(budgets), of)


def _amounts(cluster: Pods, state: State) -> tuple[Vector, Vector]:
    """What pods take (pods, resources) and nodes have (nodes, resources), in small numbers."""
    columns = [
        ([pod.requests.get(name, 0) for pod in cluster.pods], state.capacity[:, k].tolist())
        for k, name in enumerate(state.resources)
        if name != "pods"
    ]
    pieces = state.capacity[:, state.resources.index("pods")].tolist()
    columns.append(([1] * len(cluster.pods), pieces))
    columns = [column for column in columns if sum(column[0]) > min(column[1], default=0)]
    shares = [pod.gpus * pod.gpu_milli for pod in cluster.pods]
    columns.append((shares, [node.gpus * WHOLE for node in cluster.nodes]))
    demand = np.zeros((len(cluster.pods), len(columns)), dtype=np.int64)
    capacity = np.zeros((len(cluster.nodes), len(columns)), dtype=np.int64)
    for k, (amounts, room) in enumerate(columns):
        unit, total = math.gcd(*amounts) or 1, sum(amounts)
        demand[:, k] = [amount // unit for amount in amounts]
        capacity[:, k] = [min(has, total) // unit for has in room]
    return demand, capacity
