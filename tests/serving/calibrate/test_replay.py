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
from tests.serving.calibrate.logs import POLICY, POOL, requests


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


def test_with_a_prefix_cache_no_two_requests_share_blocks() -> None:
    pool = msgspec.structs.replace(POOL, prefix_cache=True)
    prefix = cluster(requests(50, 5.0), pool).workload.prefix
    ids = [unit for row in prefix for unit in row]
    assert len(ids) == len(set(ids))
    assert [len(row) for row in prefix] == [p // 16 for p in requests(50, 5.0).prompt]


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
