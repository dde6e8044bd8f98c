"""The canonical streams against what the released simulator gives for them.

The reference figures are mean latencies (us) and completed jobs of the released gym_ds3 (5,000 us,
prefilled, queue of 3, mean gap 25 us unless told), each the mean of two or three runs of its own;
here each is the mean of ten seeds. Both have a spread of about 1.5 us from seed to seed, and up to
6 us under long queues.
"""

from __future__ import annotations

from statistics import fmean, stdev
from typing import Any

import pytest

from hocket.taskgraph.generate.streams import Top
from hocket.taskgraph.metrics import metrics
from hocket.taskgraph.policies.runtime import EFT, ETF, HEFTRT, MET, STF, Random
from hocket.taskgraph.simulate.world import simulate

SEEDS = range(10)

TABLE: list[tuple[Any, dict[str, Any], float, float | None]] = [
    (ETF(), {}, 104.5, 111.5),
    (EFT(), {}, 110.0, 101.5),
    (MET(), {}, 110.4, 100),
    (STF(), {}, 110.4, 100),
    (HEFTRT(), {}, 122.0, 93.5),
    (Random(), {}, 165.4, 74),
    (ETF(), {"profiles": 5}, 115.3, 98.5),
    (EFT(), {"profiles": 5}, 119.2, 99),
    # Their two runs gave 122.3, as 5 in 100 do here (126.0, deviation 2.2); their figure has 125.
    (MET(), {"profiles": 5}, 125, 94.5),
    (HEFTRT(), {"profiles": 5}, 132.2, 89.5),
    (ETF(), {"profiles": 5, "capacity": 4}, 133.1, 114.7),
    (MET(), {"profiles": 5, "capacity": 4}, 144.0, 106.7),
    (HEFTRT(), {"profiles": 5, "capacity": 4}, 152.3, 103.3),
    (Random(), {"profiles": 5, "capacity": 4}, 212.5, 81.7),
    (ETF(), {"profiles": 5, "capacity": 5}, 151.3, 121.7),
    (MET(), {"profiles": 5, "capacity": 5}, 160.7, 121.7),
    (HEFTRT(), {"profiles": 5, "capacity": 5}, 172.9, 114.7),
    (Random(), {"profiles": 5, "capacity": 5}, 241.2, 88),
    (ETF(), {"profiles": 5, "noise": 0.1}, 116, None),
    (ETF(), {"profiles": 5, "noise": 0.3}, 121, None),
    (ETF(), {"profiles": 5, "noise": 0.5}, 127, None),
    (MET(), {"profiles": 5, "noise": 0.1}, 127, None),
    (MET(), {"profiles": 5, "noise": 0.3}, 130, None),
    (MET(), {"profiles": 5, "noise": 0.5}, 131, None),
    (HEFTRT(), {"profiles": 5, "noise": 0.1}, 133, None),
    (HEFTRT(), {"profiles": 5, "noise": 0.3}, 135, None),
    (HEFTRT(), {"profiles": 5, "noise": 0.5}, 137, None),
    (ETF(), {"noise": 0.1}, 105, None),
    (ETF(), {"noise": 0.3}, 110, None),
    (ETF(), {"noise": 0.5}, 115, None),
    (MET(), {"noise": 0.1}, 107, None),
    (MET(), {"noise": 0.3}, 110, None),
    (MET(), {"noise": 0.5}, 115, None),
    (HEFTRT(), {"noise": 0.1}, 121, None),
    (HEFTRT(), {"noise": 0.3}, 125, None),
    (HEFTRT(), {"noise": 0.5}, 127, None),
    (EFT(), {"noise": 0.1}, 111, None),
    (EFT(), {"noise": 0.3}, 116, None),
    (EFT(), {"noise": 0.5}, 127, None),
    (ETF(), {"profiles": 5, "gap": 50}, 108.7, None),
    (ETF(), {"profiles": 5, "gap": 77}, 105.7, None),
    (ETF(), {"profiles": 5, "gap": 100}, 104.6, None),
    (MET(), {"profiles": 5, "gap": 50}, 122, None),
    (MET(), {"profiles": 5, "gap": 77}, 119, None),
    (MET(), {"profiles": 5, "gap": 100}, 121, None),
    (HEFTRT(), {"profiles": 5, "gap": 50}, 126, None),
    (HEFTRT(), {"profiles": 5, "gap": 77}, 123, None),
    (HEFTRT(), {"profiles": 5, "gap": 100}, 120, None),
]


def _label(row: tuple[Any, dict[str, Any], float, float | None]) -> str:
    policy, changes, _, _ = row
    return " ".join([str(policy), *(f"{key}={value}" for key, value in changes.items())])


@pytest.mark.parametrize("row", TABLE, ids=_label)
def test_figures_of_the_reference(row: tuple[Any, dict[str, Any], float, float | None]) -> None:
    policy, changes, latency, completed = row
    scenario = Top(**changes).make()
    runs = [metrics(scenario, simulate(scenario, policy, seed=seed)) for seed in SEEDS]
    found = [run["mean_latency"] for run in runs]
    assert fmean(found) == pytest.approx(latency, abs=max(3, 2.5 * stdev(found)))
    if completed is not None:
        counts = [run["completed"] for run in runs]
        assert fmean(counts) == pytest.approx(completed, abs=max(3, 2.5 * stdev(counts)))
