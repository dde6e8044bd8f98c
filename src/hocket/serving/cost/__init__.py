"""What iterations cost: models that turn the composition of an iteration into seconds.

A pool of a scenario names one with its key ``cost``::

    pools:
      - {model: llama-3.1-8b, gpu: H100, cost: {kind: roofline}}
"""

from __future__ import annotations

from typing import TypeAlias

from hocket.serving.cost.constant import Constant
from hocket.serving.cost.distserve import DistServe
from hocket.serving.cost.linear import Linear, Regime
from hocket.serving.cost.protocol import Cost
from hocket.serving.cost.roofline import Roofline
from hocket.serving.cost.table import Table

__all__ = [
    "Constant",
    "Cost",
    "CostConfig",
    "DistServe",
    "Linear",
    "Regime",
    "Roofline",
    "Table",
]

CostConfig: TypeAlias = Roofline | Constant | Linear | DistServe | Table
"""Any cost model as a field of a scenario; its key ``kind`` says which."""
