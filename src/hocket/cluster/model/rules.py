"""Where pods may run: taints, affinity between pods, spread over domains, disruption budgets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from hocket.cluster.model.labels import Selector, selects

Effect = Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]
Weight = Annotated[int, msgspec.Meta(ge=-100, le=100)]


class Taint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What keeps pods off a node that do not tolerate it."""

    key: str
    value: str = ""
    effect: Effect = "NoSchedule"


class Toleration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Taints that a pod bears. Without a key: all; without an effect: of every effect."""

    key: str = ""
    op: Literal["Equal", "Exists"] = "Equal"
    value: str = ""
    effect: Effect | Literal[""] = ""

    def bears(self, taint: Taint) -> bool:
        """Whether it bears this taint."""
        if self.effect and self.effect != taint.effect:
            return False
        if self.key and self.key != taint.key:
            return False
        if self.op == "Exists":
            return True
        return bool(self.key) and self.value == taint.value


class Term(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Pods that a pod wants near, or far: those selected, in the same domain of a topology.

    - `topology`: a label of nodes; those of one value are one domain
    - `namespaces`: whose pods are meant; empty for the pod's own, ``*`` for all
    """

    selector: Selector = ()
    topology: str = "kubernetes.io/hostname"
    namespaces: tuple[str, ...] = ()

    def means(self, own: str, namespace: str, labels: Mapping[str, str]) -> bool:
        """Whether a pod of `namespace` with `labels` is meant, from a pod of namespace `own`."""
        wanted = self.namespaces or (own,)
        return ("*" in wanted or namespace in wanted) and selects(self.selector, labels)


class Preferred(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A term that is only scored; a negative weight keeps pods apart."""

    weight: Weight
    term: Term


class PreferredNode(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nodes that a pod would rather run on."""

    weight: Weight
    selector: Selector


class Spread(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keep the number of selected pods of the namespace even over the domains of a topology.

    With `hard` no pod may be placed where its domain would then hold more than `max_skew` above
    the emptiest domain; otherwise evenness is only scored.
    """

    topology: str
    selector: Selector = ()
    max_skew: Annotated[int, msgspec.Meta(ge=1)] = 1
    hard: bool = True


class Budget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A PodDisruptionBudget: how many of the selected pods must stay up, or may be down.

    One of `min_available` and `max_unavailable` is given: a number, or a share such as ``50%``
    of the selected pods, rounded up.
    """

    name: str
    namespace: str = "default"
    selector: Selector = ()
    min_available: int | str | None = None
    max_unavailable: int | str | None = None

    def covers(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Whether it is about a pod."""
        return namespace == self.namespace and selects(self.selector, labels)

    def needed(self, pods: int) -> int:
        """How many of `pods` selected ones must be up."""
        if self.min_available is not None:
            return _count(self.min_available, pods)
        if self.max_unavailable is not None:
            return max(pods - _count(self.max_unavailable, pods), 0)
        return 0


def _count(amount: int | str, pods: int) -> int:
    if isinstance(amount, int):
        return amount
    percent = int(amount.removesuffix("%"))
    return -(-percent * pods // 100)
