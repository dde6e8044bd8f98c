"""What a scenario's file may hold in place of a workload or a cost model: the name of a file.

Loading reads the file and puts what is in it in their place, so that a scenario holds all that it
is made of; see `hocket.serving.formats.expand` and `pools`.
"""

from __future__ import annotations

from typing import Annotated

import msgspec


class _Reference(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"
):
    path: str


class LogFile(_Reference, frozen=True, kw_only=True, tag="log"):
    """The requests of a log.

    - `path`: the log, relative to the scenario's file, in any format of request logs
    - `first`: requests that are passed over
    - `count`: how many are taken, all if not said
    - `rate_scale`: how many times as many requests come per second as in the log
    """

    first: Annotated[int, msgspec.Meta(ge=0)] = 0
    count: Annotated[int, msgspec.Meta(ge=1)] | None = None
    rate_scale: Annotated[float, msgspec.Meta(gt=0)] = 1.0


class CostFile(_Reference, frozen=True, kw_only=True, tag="file"):
    """A calibrated cost model.

    - `path`: what `hocket calibrate` wrote, relative to the scenario's file
    """


class ProfileFolder(_Reference, frozen=True, kw_only=True, tag="profile"):
    """Operator times as profilers leave them.

    - `path`: the folder with their tables, relative to the scenario's file
    """


REFERENCES: dict[str, tuple[type[msgspec.Struct], ...]] = {
    "Cluster.workload": (LogFile,),
    "Pool.cost": (CostFile, ProfileFolder),
    "Calibrated.cost": (CostFile, ProfileFolder),
}
