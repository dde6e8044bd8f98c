"""Which requests a cluster meets: recorded, drawn at random, from clients, in conversations.

A workload is a frozen struct, written in a scenario as a mapping with its `kind`. It has two
methods: ``problems(path)`` yields what is wrong with it, and ``draw(streams, unit)`` returns the
`Requests` of one run. It draws only from streams named ``workload...``, so policies that are
compared meet the very same requests.
"""

from __future__ import annotations

from typing import TypeAlias

from hocket.serving.workload.arrivals import Arrivals, Bursts, Profile, Rate, Step
from hocket.serving.workload.conversations import Conversations
from hocket.serving.workload.faster import faster
from hocket.serving.workload.lengths import (
    DIST_1,
    DIST_2,
    DIST_3,
    Distribution,
    Empirical,
    Fixed,
    Geometric,
    Lengths,
    LogNormal,
    Pairs,
    Separate,
    Uniform,
    Zipf,
)
from hocket.serving.workload.llumnix import Llumnix
from hocket.serving.workload.synthetic import ClosedLoop, Random, Tenant
from hocket.serving.workload.trace import Trace, recorded

Workload: TypeAlias = Trace | Random | ClosedLoop | Conversations | Llumnix
"""Any workload, as the type of a scenario's field."""

__all__ = [
    "DIST_1",
    "DIST_2",
    "DIST_3",
    "Arrivals",
    "Bursts",
    "ClosedLoop",
    "Conversations",
    "Distribution",
    "Empirical",
    "Fixed",
    "Geometric",
    "Lengths",
    "Llumnix",
    "LogNormal",
    "Pairs",
    "Profile",
    "Random",
    "Rate",
    "Separate",
    "Step",
    "Tenant",
    "Trace",
    "Uniform",
    "Workload",
    "Zipf",
    "faster",
    "recorded",
]
