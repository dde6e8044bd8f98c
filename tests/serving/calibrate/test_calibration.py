from pathlib import Path

import msgspec
import numpy as np
import pytest
import yaml

from hocket.core.errors import InputError
from hocket.core.load import load
from hocket.serving.calibrate import calibration, checked, from_log, from_profile, write
from hocket.serving.cost import Constant, Linear, Table
from hocket.serving.formats.measured import read_measured
from hocket.serving.model.cluster import Pool
from hocket.serving.policies.vllm import VllmV1
from tests.data import shared
from tests.serving.calibrate.logs import KNOWN, POLICY, POOL, requests, served
from tests.serving.cost.test_profile import written as profile


def test_a_known_model_is_found_again() -> None:
    log = served(requests(160, rate=8.0), KNOWN)
    found = from_log(log, POOL, POLICY)
    assert isinstance(found.cost, Linear)
    for row in found.errors:
        assert abs(row.error) < 0.03, row
    # what iterations cost, in the middle of what the log shows
    model, truth = found.cost.model(POOL), KNOWN.model(POOL)
    assert model.decode(16, 12_000) == pytest.approx(truth.decode(16, 12_000), rel=0.05)
    mixed = [(480, 200)], 16, 12_000
    assert model.iteration(*mixed) == pytest.approx(truth.iteration(*mixed), rel=0.05)
    assert found.meta["fitted"] == 80 and found.meta["requests"] == 160


def test_held_out_times_are_not_looked_at() -> None:
    log = served(requests(60, rate=2.0), KNOWN)
    wrong = msgspec.structs.replace(
        log,
        first_token=np.where(np.arange(60) < 30, log.first_token, log.first_token + 50),
        last_token=np.where(np.arange(60) < 30, log.last_token, log.last_token + 99),
    )
    blind = msgspec.structs.replace(wrong, arrival=log.arrival)
    fair, misled = from_log(log, POOL, POLICY), from_log(blind, POOL, POLICY)
    fitted = [cost.model(POOL).decode(16, 8000) for cost in (fair.cost, misled.cost)]
    assert fitted[0] == pytest.approx(fitted[1], rel=0.05)
    assert min(row.error for row in misled.errors if row.metric == "ttft") < -0.5


def test_a_short_log_is_refused() -> None:
    with pytest.raises(InputError, match="15 requests to fit to are too few"):
        from_log(served(requests(30, 1.0), KNOWN), POOL, POLICY)


def test_of_a_long_log_the_first_requests_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    log = served(requests(100, rate=2.0), KNOWN)
    monkeypatch.setattr(calibration, "MOST", 50)
    found = from_log(log, POOL, POLICY)
    assert found.meta["requests"] == 50 and found.meta["left out"] == 50
    assert {row.requests for row in found.errors if row.metric == "ttft"} == {25}


def test_operator_times_can_be_checked_on_a_log(tmp_path: Path) -> None:
    found = from_profile(profile(tmp_path))
    assert isinstance(found.cost, Table) and found.errors == ()
    log = served(requests(30, 1.0), found.cost)
    result = checked(found, log, POOL, POLICY)
    for row in result.errors:
        assert row.error == pytest.approx(0, abs=1e-6)
    assert 1 < result.meta["most at once"] <= 30
    slower = served(requests(30, 0.01), Constant(seconds=1.0))
    assert all(row.error < -0.4 for row in checked(found, slower, POOL, POLICY).errors[:-1])


def test_a_file_is_what_a_pool_takes(tmp_path: Path) -> None:
    found = from_profile(profile(tmp_path))
    write.write(found, tmp_path / "model.yaml")
    scenario = {
        "problem": "serving/cluster",
        "workload": {"kind": "trace", "arrival": [0], "prompt": [10], "output": [2]},
        "pools": [
            {"model": "llama-3.1-8b", "cost": {"kind": "file", "path": "model.yaml"}},
        ],
    }
    (tmp_path / "cluster.yaml").write_text(yaml.safe_dump(scenario))
    assert load(tmp_path / "cluster.yaml").pools[0].cost == found.cost  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("card", "gpu", "seqs"), [("rtx4090", "RTX 4090", 256), ("rtxpro6000", "RTX PRO 6000", 128)]
)
def test_measured_requests_are_predicted_from_operator_times(
    card: str, gpu: str, seqs: int
) -> None:
    log = read_measured(shared("serving", "measured", f"{card}_llama31_8b_vllm019_requests.jsonl"))
    found = from_profile(shared("serving", "profiles", f"{card}_llama31_8b_tp1"))
    pool = Pool(gpu=gpu, model="llama-3.1-8b", prefix_cache=True)
    result = checked(found, log, pool, VllmV1(seqs=seqs))
    error = {(row.metric, row.statistic): abs(row.error) for row in result.errors}
    assert error["tpot", "mean"] < 0.05 and error["e2e", "mean"] < 0.05
    assert error["ttft", "mean"] < 0.10 and error["ttft", "p99"] < 0.10
    assert error["makespan", "max"] < 0.05
