import msgspec
import numpy as np
import pytest

from hocket.core.errors import InputError
from hocket.serving.calibrate import measured_times, replay
from hocket.serving.calibrate.replay import cluster
from hocket.serving.cost import Constant
from hocket.serving.formats.measured import Measured
from hocket.serving.model.cluster import Pool
from hocket.serving.policies.vllm import VllmV1
from hocket.serving.simulate.cluster import simulate
from tests.serving.calibrate.logs import POLICY, requests


def log(*rows: tuple[float, int, int]) -> Measured:
    arrival, prompt, output = (np.array(column) for column in zip(*rows, strict=True))
    zeros = np.zeros(len(rows))
    return Measured(
        arrival=arrival, prompt=prompt, output=output, first_token=zeros, last_token=zeros
    )


def test_a_request_alone_takes_an_iteration_per_chunk_and_token() -> None:
    pool = Pool(cost=Constant(seconds=0.01))
    times = replay(log((0.0, 1200, 10), (100.0, 30, 1)), pool, VllmV1(tokens=512))
    assert times.ttft.tolist() == pytest.approx([0.03, 0.01])
    assert times.e2e.tolist() == pytest.approx([0.12, 0.01])
    assert times.tpot[0] == pytest.approx(0.01) and np.isnan(times.tpot[1])
    assert times.finish.tolist() == pytest.approx([0.12, 100.01])


def test_times_are_in_the_order_of_the_log() -> None:
    pool = Pool(cost=Constant(seconds=0.01))
    same = [(0.5, 600, 5), (0.5, 10, 3), (0.5, 10, 200)]
    times = replay(log(*same), pool, VllmV1(tokens=512))
    # one iteration for 512 tokens, one for the rest of the first with the other prompts
    assert times.e2e.tolist() == pytest.approx([0.06, 0.04, 2.01])


def test_with_a_prefix_cache_a_request_finds_its_own_blocks_again_and_no_others() -> None:
    # Nothing is known of the prompts, which are so all computed. The second gives way with 17
    # tokens of its answer; of its 64 in memory the first takes three blocks of four.
    pool = Pool(cost=Constant(seconds=0.01), kv_blocks=8, block_size=16, prefix_cache=True)
    scenario = cluster(log((0.0, 48, 60), (0.0, 48, 40)), pool)
    spans = list(simulate(scenario, VllmV1()).spans("run"))
    prefills = [(span.group, span.name) for span in spans if span.name.startswith("prefill")]
    assert prefills[:2] == [("r0", "prefill 48"), ("r1", "prefill 48")]
    assert prefills[2] == ("r1", f"prefill {48 + 17 - 16}")


def test_the_pools_problems_are_told() -> None:
    with pytest.raises(InputError, match="unknown GPU"):
        replay(requests(3, 1.0), Pool(gpu="H1"), POLICY)


def test_measured_times_are_the_logs() -> None:
    rows = msgspec.structs.replace(
        log((0.0, 10, 3), (1.0, 10, 1)),
        first_token=np.array([0.5, 1.25]),
        last_token=np.array([0.9, 1.25]),
    )
    times = measured_times(rows)
    assert times.ttft.tolist() == pytest.approx([0.5, 0.25])
    assert times.tpot[0] == pytest.approx(0.2) and np.isnan(times.tpot[1])
    assert times.finish.tolist() == pytest.approx([0.9, 1.25])
