"""The scenario: pods with requests and priorities, and the nodes that can run them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from hocket.cluster.model.labels import Labels, Selector
from hocket.cluster.model.pod_lists import REFERENCES
from hocket.cluster.model.rules import (
    Budget,
    Preferred,
    PreferredNode,
    Spread,
    Taint,
    Term,
    Toleration,
)
from hocket.core.errors import Problem
from hocket.core.scenario import Scenario, Ticks, TimeUnit

_NUMBER = {"type": "number", "minimum": 0}
_QUANTITY = {
    "type": "string",
    "pattern": r"^\d*\.?\d+([numkMGTPE]|[KMGTPE]i|[eE][-+]?\d+)?$",
    "examples": ["500m", "1Gi"],
}

Amount = Annotated[
    int, msgspec.Meta(ge=0, le=2**62, extra_json_schema={"x-hocket-text": [_NUMBER, _QUANTITY]})
]

Amounts = dict[str, Amount]
"""Resources by name. ``milli_cpu`` counts thousandths of a core, ``memory`` and
``ephemeral-storage`` bytes, everything else (``pods``, ``nvidia.com/gpu``) pieces.

Files may also write as Kubernetes does: ``{cpu: 500m, memory: 1Gi, nvidia.com/gpu: 1}``.
"""

HOSTNAME = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"

NAME = "metadata.name"
"""What selectors call the name of a node itself, whatever its hostname is."""

WHOLE = 1000
"""All of one GPU, in thousandths."""


class Node(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A machine.

    - `allocatable`: what pods may request in all; without ``pods`` their number is not limited
    - `labels`: `HOSTNAME` is its name unless it says otherwise
    - `cordoned`: takes no new pods; `down`: is not ready, and takes none either
    - `gpus`: GPUs that pods share by thousandths, each GPU on its own. A cluster that counts whole
      GPUs has them among its amounts
    """

    name: str
    allocatable: Amounts
    labels: Labels = {}
    taints: tuple[Taint, ...] = ()
    cordoned: bool = False
    down: bool = False
    gpus: Annotated[int, msgspec.Meta(ge=0, le=1024)] = 0

    def label(self, key: str) -> str | None:
        """The value of a label; of `HOSTNAME` and `NAME` also where it is not listed."""
        return self.labels.get(key, self.name if key in (HOSTNAME, NAME) else None)

    @property
    def described(self) -> Labels:
        """All labels, with `HOSTNAME` and `NAME`."""
        return {HOSTNAME: self.name, NAME: self.name} | self.labels


class Pod(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Work that runs on one node.

    - `requests`: what it takes of its node while it is there
    - `priority`: larger is more important; `preempts`: whether the default scheduler may evict
      others for it
    - `node`: where it runs now; None while it is pending
    - `owner`: what would make it anew, such as ``ReplicaSet/web``. Pods of one owner that are alike
      in all but name and node are interchangeable
    - `selector`, `affinity`: nodes it may run on: all of the selector, and one of the alternatives
    - `near`, `apart`: terms that must hold, and must not, where it is placed
    - `ports`: ports of the node that no two pods may both have, such as ``TCP/8080``
    - `protected`: may be neither evicted nor moved; `protection` says why
    - `arrival`, `lifetime`: when it comes, and how long it runs in all (ticks), None for ever. What
      it ran before an eviction counts
    - `gpus`, `gpu_milli`: how many of the node's shared GPUs, and how much of each
    - `gated`: is held back by its scheduling gates
    - `drained`: has to leave the node where it runs, which is cordoned; on another it stays
    """

    name: str
    namespace: str = "default"
    requests: Amounts = {}
    priority: Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31)] = 0
    preempts: bool = True
    node: str | None = None
    owner: str = ""
    labels: Labels = {}
    selector: Selector = ()
    affinity: tuple[Selector, ...] = ()
    prefers: tuple[PreferredNode, ...] = ()
    near: tuple[Term, ...] = ()
    apart: tuple[Term, ...] = ()
    likes: tuple[Preferred, ...] = ()
    tolerations: tuple[Toleration, ...] = ()
    spread: tuple[Spread, ...] = ()
    ports: tuple[str, ...] = ()
    protected: bool = False
    protection: str = ""
    arrival: Ticks = 0
    lifetime: Ticks | None = None
    gpus: Annotated[int, msgspec.Meta(ge=0, le=1024)] = 0
    gpu_milli: Annotated[int, msgspec.Meta(ge=1, le=WHOLE)] = WHOLE
    gated: bool = False
    drained: bool = False

    @property
    def key(self) -> str:
        """What tells it apart: ``namespace/name``."""
        return f"{self.namespace}/{self.name}"


class Pods(
    Scenario,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="problem",
    tag="cluster/pods",
):
    """A cluster: its nodes, the pods that run or wait, and what disruption they bear.

    - `grace`: ticks from an eviction until the pod has left its node and its successor waits
    - `horizon`: when the run ends; None to run until nothing can happen any more
    - `remarks`: what the reader of a file left out or changed
    """

    time_unit: TimeUnit = "ms"
    nodes: tuple[Node, ...]
    pods: tuple[Pod, ...] = ()
    budgets: tuple[Budget, ...] = ()
    grace: Ticks = 0
    horizon: Ticks | None = None
    remarks: tuple[str, ...] = ()

    @classmethod
    def expand(cls, data: dict[str, Any], folder: Path) -> dict[str, Any]:
        """See Scenario.expand: amounts may be quantities, nodes and pods those of files."""
        from hocket.cluster.formats.expand import expand

        return expand(data, folder)

    @classmethod
    def references(cls) -> Mapping[str, tuple[type[msgspec.Struct], ...]]:
        """See Scenario.references."""
        return REFERENCES

    def problems(self) -> Iterator[Problem]:
        """See Scenario.problems."""
        from hocket.cluster.model.sound import problems

        yield from problems(self)

    def notes(self) -> tuple[str, ...]:
        """See Scenario.notes."""
        from hocket.cluster.model.sound import contradictions

        return (*self.remarks, *contradictions(self))

    @property
    def priorities(self) -> tuple[int, ...]:
        """The distinct priorities, the most important first."""
        return tuple(sorted({pod.priority for pod in self.pods}, reverse=True))

    @property
    def static(self) -> bool:
        """Whether all pods are there at time 0, for ever."""
        return not any(pod.arrival or pod.lifetime is not None for pod in self.pods)
