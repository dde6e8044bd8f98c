"""What a scenario's file may hold in place of processors and job types: the names of files.

Loading reads them and puts what is in them in their place, so that a scenario holds all that it is
made of; see `hocket.taskgraph.formats.expand`.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from hocket.taskgraph.model.processors import NotNegative, Positive


class PlatformFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The processors of a DS3 resource file, and the bandwidths between them.

    - `path`: the file, relative to the scenario's
    """

    path: str


class Equal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A processor per speed, for graphs from files that give one time per task.

    - `speeds`: a task takes its time over the speed of its processor
    """

    speeds: Annotated[tuple[Positive, ...], msgspec.Meta(min_length=1, max_length=1000)]


class GraphFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The job types of a file: a DS3 job file, or a graph in STG, DOT or WfCommons format.

    - `path`: the file, relative to the scenario's
    - `weight`: jobs of it arrive in proportion to this
    """

    path: str
    weight: NotNegative = 1.0


REFERENCES: dict[str, tuple[type[msgspec.Struct], ...]] = {
    "TaskGraphs.processors": (PlatformFile, Equal),
    "TaskGraphs.types[]": (GraphFile,),
}
