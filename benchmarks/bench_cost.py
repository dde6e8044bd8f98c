"""What one question to a cost model takes: the simulator asks it for every iteration.

    pytest benchmarks/bench_cost.py -s

The budget is 2 us for a decode; a leap over 256 decodes should cost less than asking 20 times.
Best of several rounds.
"""

from __future__ import annotations

import timeit

import pytest
from tests.data import shared

from hocket.serving.cost import CostConfig, DistServe, Linear, Roofline
from hocket.serving.cost.profile import load_profile
from hocket.serving.model.cluster import Pool

BUDGET_US = 2.0
LINEAR = Linear(base=0.013, per_token=4e-5, per_pair=2e-9, per_decode=1e-5, per_context=1e-7)
DISTSERVE = DistServe(
    prefill=(18.1, 0.102, 7.1e-6), small=(19.9, 6.3e-4, 0.0385), large=(7.17, 5.8e-4, 0.158)
)


def config(name: str) -> CostConfig:
    if name == "table":
        return load_profile(shared("serving", "profiles", "rtx4090_llama31_8b_tp1"))
    return {"roofline": Roofline(), "linear": LINEAR, "distserve": DISTSERVE}[name]


@pytest.mark.parametrize("name", ["roofline", "linear", "distserve", "table"])
def test_calls(name: str) -> None:
    model = config(name).model(Pool())

    def us(question: str) -> float:
        timer = timeit.Timer(question, globals={"model": model})
        return min(timer.repeat(5, 2000)) / 2000 * 1e6

    decode = us("model.decode(40, 40_000)")
    run = us("model.decode_run(40, 40_000, 256)")
    mixed = us("model.iteration([(1000, 0), (500, 500)], 40, 40_000)")
    print(f"\n{name:10} decode {decode:5.2f} us, 256 decodes {run:6.2f} us, mixed {mixed:6.2f} us")
    assert decode < BUDGET_US
