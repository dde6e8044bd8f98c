"""OpenB: the cluster of GPUs that Alibaba published in 2023, as two CSV files.

Q. Weng, L. Yang, Y. Yu, W. Wang, X. Tang, G. Yang, L. Zhang: Beware of Fragmentation: Scheduling
GPU-Sharing Workloads with Fragmentation Gradient Descent, USENIX ATC 2023. A node list has the
columns ``sn,cpu_milli,memory_mib,gpu,model``, a pod list ``name,cpu_milli,memory_mib,num_gpu,
gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_time``, times in seconds.

- A node's GPUs are shared by thousandths; their model is the label `MODEL`. A pod takes
  ``gpu_milli`` of each of ``num_gpu`` GPUs, of one of the models that ``gpu_spec`` lists.
- A pod comes at its ``creation_time``. It runs from ``scheduled_time``, or from its creation where
  it was never scheduled, until ``deletion_time``; that is its lifetime. Its phase does not count.
- The class of service makes the priority, see `PRIORITIES`. The list has no priorities: that the
  latency-sensitive pods (LS) come first and best effort (BE) last is a choice made here.
- Who owns a pod, and on which node it ran, is not known.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping

from hocket.cluster.model.labels import Expression, Selector
from hocket.cluster.model.pod_lists import PodList
from hocket.cluster.model.pods import WHOLE, Node, Pod
from hocket.core.findings import Findings, refuse_binary
from hocket.core.scenario import LONGEST

MODEL = "gpu-model"
"""The label of nodes that says what GPUs they have."""

QOS = "qos"
"""The label of pods that says their class of service."""

PRIORITIES = {"LS": 2, "Guaranteed": 1, "Burstable": 1, "BE": 0}
"""The priority that each class of service gets here."""

NODES = ("sn", "cpu_milli", "memory_mib", "gpu", "model")
PODS = ("name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli")
TIMES = ("creation_time", "deletion_time")
"""Columns that a list must have; a dynamic reading needs its times too."""

_MIB = 2**20
_MOST_GPUS = 1024


def kind_of(head: str) -> str:
    """``nodes`` or ``pods`` for a text that opens as such a list does, otherwise nothing."""
    first = head.removeprefix("\ufeff").partition("\n")[0]
    columns = {word.strip() for word in first.split(",")}
    if columns.issuperset(NODES):
        return "nodes"
    return "pods" if columns.issuperset(PODS) else ""


def read_nodes(text: str, source: str) -> tuple[Node, ...]:
    """The nodes of a node list. Raises InputError with every problem and its line."""
    findings = Findings(source)
    found = []
    for row in _rows(text, NODES, findings):
        model = row.text("model")
        found.append(
            Node(
                name=row.name("sn"),
                allocatable={
                    "milli_cpu": row.whole("cpu_milli"),
                    "memory": row.whole("memory_mib", 2**40) * _MIB,
                },
                labels={MODEL: model} if model else {},
                gpus=row.whole("gpu", _MOST_GPUS),
            )
        )
    if not found:
        findings.add("there is no node in it")
    findings.stop_if_any()
    return tuple(found)


def read_pods(text: str, source: str, chosen: PodList) -> tuple[Pod, ...]:
    """The pods of a pod list, read as `chosen` says; its path does not count.

    Raises InputError with every problem and its line.
    """
    findings = Findings(source)
    dynamic = chosen.reading == "dynamic"
    needed = PODS + (TIMES if dynamic or chosen.at is not None else ())
    if dynamic and chosen.at is not None:
        findings.add("at is for reading: static; drop one of them")
    pods = [_pod(row, chosen) for row in _rows(text, needed, findings)]
    findings.stop_if_any()
    return tuple(pod for pod in pods if pod is not None)


def _pod(row: _Row, chosen: PodList) -> Pod | None:
    """The pod of a row; None if it was not there at the time that is asked for."""
    name = row.name("name")
    gpus, share = row.whole("num_gpu", _MOST_GPUS), row.whole("gpu_milli", WHOLE, WHOLE)
    if gpus and share != WHOLE and (gpus > 1 or not share):
        row.say("gpu_milli", f"is {share} of each of {gpus} GPUs; several GPUs are whole ones")
    arrival, lifetime = 0, None
    if chosen.reading == "dynamic" or chosen.at is not None:
        created, begun, deleted = row.times()
        if chosen.reading == "dynamic":
            arrival, lifetime = created, deleted - begun
        elif chosen.at is not None and not created <= chosen.at < deleted:
            return None
    qos = row.text("qos")
    if chosen.qos and qos and qos not in PRIORITIES:
        row.say("qos", f"is {qos[:24]!r}; known are {', '.join(PRIORITIES)}; or set qos: false")
    return Pod(
        name=name,
        requests={
            "milli_cpu": row.whole("cpu_milli"),
            "memory": row.whole("memory_mib", 2**40) * _MIB,
        },
        priority=PRIORITIES.get(qos, 0) if chosen.qos else 0,
        labels={QOS: qos} if qos else {},
        affinity=_models(row.text("gpu_spec")) if gpus else (),
        arrival=arrival,
        lifetime=lifetime,
        gpus=gpus,
        gpu_milli=share if gpus and share else WHOLE,
    )


def _models(spec: str) -> tuple[Selector, ...]:
    """Nodes that have one of the models of a list such as ``V100M16|V100M32``."""
    models = tuple(word.strip() for word in spec.split("|") if word.strip())
    return ((Expression(key=MODEL, values=models),),) if models else ()


class _Row:
    """A row of a list; what is wrong in it is a problem of its line."""

    def __init__(self, cells: Mapping[str, str], line: int, findings: Findings) -> None:
        self.cells = cells
        self.line = line
        self.findings = findings

    def say(self, column: str, message: str) -> None:
        """Add a problem of a column."""
        self.findings.add(message, self.line, column)

    def text(self, column: str) -> str:
        """A cell; empty if the list has no such column."""
        return self.cells.get(column, "").strip()

    def name(self, column: str) -> str:
        """A cell that must not be empty."""
        word = self.text(column)
        if not word:
            self.say(column, "is empty; every row needs a name")
        return word

    def whole(self, column: str, most: int = 2**40, otherwise: int = 0) -> int:
        """A whole number from 0; `otherwise`, and a problem, if it is none."""
        word = self.text(column)
        if word.isascii() and word.isdecimal() and len(word) < 20 and int(word) <= most:
            return int(word)
        self.say(column, f"expected a whole number from 0 to {most}, got {word[:24]!r}")
        return otherwise

    def times(self) -> tuple[int, int, int]:
        """When the pod was created, begun and deleted, in order."""
        created = self.whole("creation_time", LONGEST)
        begun = self.whole("scheduled_time", LONGEST) if self.text("scheduled_time") else created
        deleted = self.whole("deletion_time", LONGEST)
        if not created <= begun <= deleted:
            told = f"created {created}, scheduled {begun}, deleted {deleted}: not in this order"
            self.say("deletion_time", told)
            return created, created, created
        return created, begun, deleted


def _rows(text: str, needed: tuple[str, ...], findings: Findings) -> Iterator[_Row]:
    """The rows below the header; a problem, and none, if columns are missing."""
    refuse_binary(text, findings)
    table = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    try:
        header = [word.strip() for word in next(table, [])]
        missing = [column for column in needed if column not in header]
        if missing:
            findings.add(f"columns are missing: {', '.join(missing)}", 1)
            return
        for cells in table:
            if not cells:
                continue
            if len(cells) != len(header):
                told = f"expected {len(header)} cells, got {len(cells)}; is the file cut off?"
                findings.add(told, table.line_num)
                continue
            yield _Row(dict(zip(header, cells, strict=True)), table.line_num, findings)
    except csv.Error as error:
        findings.add(f"is no CSV: {error}", table.line_num)
