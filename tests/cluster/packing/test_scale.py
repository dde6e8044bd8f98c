"""The production trace of 1,523 nodes and 8,152 pods, where it is at hand."""

from __future__ import annotations

import numpy as np
import pytest

from hocket.cluster.model.pods import Pods
from hocket.cluster.packing.case import Case
from hocket.cluster.packing.legal import legal
from hocket.cluster.packing.options import Options
from hocket.cluster.packing.search import pack
from hocket.core.load import load
from tests.data import shared

pytest.importorskip("ortools")


def test_openb_is_packed() -> None:
    """Heuristics alone run more than 95 % of all pods, and nothing has more than it can bear."""
    cluster = load(shared("cluster", "openb"))
    assert isinstance(cluster, Pods)
    options = Options(time_limit=0.01)
    packing = pack(cluster, options)
    case = Case(cluster, options)
    index = {name: j for j, name in enumerate(case.names)}
    places = [index[packing.where[key]] if key in packing.where else -1 for key in case.keys]
    assert legal(case, np.array(places, dtype=np.int32))
    assert len(packing.where) > 0.95 * len(cluster.pods)
    assert packing.tiers[-1].placed_bound >= len(packing.where)
