"""What a cluster's file may hold in place of nodes and pods: the names of files.

Loading reads them and puts what is in them in their place, so that a scenario holds all that it is
made of; see `hocket.cluster.formats.expand`.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Reading = Literal["dynamic", "static"]


class NodeList(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The nodes of an OpenB node list.

    - `path`: the file, relative to the scenario's
    """

    path: str


class PodList(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The pods of an OpenB pod list.

    - `path`: the file, relative to the scenario's
    - `reading`: ``dynamic``: pods come at their creation, and run as long as they did. ``static``:
      all wait from the start, for ever
    - `at`: for a static reading, only pods that were there so many seconds after the trace began
    - `qos`: whether the class of service makes the priority; otherwise all have 0
    """

    path: str
    reading: Reading = "dynamic"
    at: Annotated[int, msgspec.Meta(ge=0)] | None = None
    qos: bool = True


REFERENCES: dict[str, tuple[type[msgspec.Struct], ...]] = {
    "Pods.nodes": (NodeList,),
    "Pods.pods": (PodList,),
}
