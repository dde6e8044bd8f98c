"""Published task graphs, platforms and workload generators."""

from __future__ import annotations

import msgspec

from hocket.core.domain import Generator
from hocket.core.errors import UnknownName
from hocket.taskgraph.generate import topcuoglu, wifi
from hocket.taskgraph.generate.kernels import ForkJoin, Fourier, GaussianElimination
from hocket.taskgraph.generate.layered import Layered, RandomStream
from hocket.taskgraph.generate.pressure import Pressure
from hocket.taskgraph.generate.streams import Top, Wifi
from hocket.taskgraph.model.scenario import TaskGraphs

GENERATORS: tuple[type[Generator], ...] = (
    Top,
    Wifi,
    Layered,
    RandomStream,
    GaussianElimination,
    Fourier,
    ForkJoin,
    Pressure,
)

STREAMS: dict[str, Top | Wifi] = {
    "top": Top(),
    **{f"top{count}": Top(profiles=count) for count in range(2, topcuoglu.MOST + 1)},
    "wifi": Wifi(),
    "wifi-all": Wifi(rate=2, wifi_tx=0.2, lag=0.2, sc_tx=0.1, sc_rx=0.1, mitigation=0.2),
}
"""Streams on the two systems-on-chip, with the defaults of the simulators that they are from."""

__all__ = ["GENERATORS", "STREAMS", "named", "names"]


def names() -> list[str]:
    """The scenarios that need no file: streams, and single jobs at time 0."""
    return ["canonical", *STREAMS, *(name.replace("_", "-") for name in wifi.JOBS)]


def named(name: str) -> TaskGraphs:
    """The scenario of this name. Raises UnknownName."""
    if name == "canonical":
        return TaskGraphs(
            name=name,
            processors=topcuoglu.processors(),
            communication=topcuoglu.communication(),
            types=topcuoglu.types(1),
        )
    if name in STREAMS:
        return msgspec.structs.replace(STREAMS[name].make(), name=name)
    if name in names():
        return TaskGraphs(
            name=name,
            processors=wifi.processors(),
            communication=wifi.communication(),
            types=(wifi.JOBS[name.replace("-", "_")](),),
            leakage=wifi.CORE_LEAKAGE,
            sampling=wifi.SAMPLING,
        )
    hint = f"Scenarios that need no file are {', '.join(names())}."
    raise UnknownName("instance", name, names(), hint)
