import numpy as np
import pytest

from hocket.serving.calibrate import Times, errors


def times(ttft: list[float], tpot: list[float], e2e: list[float]) -> Times:
    arrival = np.arange(len(e2e))
    return Times(np.array(ttft), np.array(tpot), np.array(e2e), arrival + np.array(e2e))


def test_they_are_relative_and_per_statistic() -> None:
    truth = times([1, 2, 3, 4], [0.1] * 4, [10, 20, 30, 40])
    model = times([1.1, 2.2, 3.3, 4.4], [0.1] * 4, [10, 20, 30, 60])
    found = {(row.metric, row.statistic): row for row in errors(truth, model)}
    for statistic in ("mean", "p50", "p90", "p99"):
        assert found["ttft", statistic].error == pytest.approx(0.1)
        assert found["ttft", statistic].low == pytest.approx(0.1)
        assert found["tpot", statistic].error == 0
    assert found["e2e", "mean"].error == pytest.approx(0.2)
    assert found["e2e", "mean"].measured == 25 and found["e2e", "mean"].predicted == 30
    assert found["e2e", "p50"].error == 0
    assert found["makespan", "max"].error == pytest.approx(63 / 43 - 1)


def test_only_the_rows_asked_for_count() -> None:
    truth = times([1.0] * 4, [0.1] * 4, [10.0] * 4)
    model = times([1.0, 1.0, 2.0, 2.0], [0.1] * 4, [10.0] * 4)
    rows = np.array([True, True, False, False])
    found = {(row.metric, row.statistic): row for row in errors(truth, model, rows)}
    assert found["ttft", "mean"].error == 0 and found["ttft", "mean"].requests == 2
    assert found["makespan", "max"].requests == 4


def test_what_did_not_happen_is_left_out() -> None:
    nan = float("nan")
    truth, model = times([1.0, 1.0], [0.1, nan], [5, 5]), times([1.5, nan], [0.1, 0.1], [5, nan])
    found = {(row.metric, row.statistic): row for row in errors(truth, model)}
    assert found["ttft", "mean"].requests == 1 and found["ttft", "mean"].low is None
    assert found["tpot", "mean"].requests == 1
    assert found["makespan", "max"].error == 0


def test_the_interval_holds_the_error_of_the_population() -> None:
    held = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        truth = rng.lognormal(0, 0.5, 100)
        model = truth * rng.lognormal(np.log(1.1) - 0.02, 0.2, 100)  # 10 % too long in the mean
        never, ends = np.full(100, np.nan), np.ones(100)
        rows = errors(Times(truth, never, never, ends), Times(model, never, never, ends), seed=seed)
        assert [row.metric for row in rows] == ["ttft"] * 4 + ["makespan"]
        low, high = rows[0].low, rows[0].high
        assert low is not None and high is not None and 0.02 < high - low < 0.2
        held += low <= 0.1 <= high
    assert held >= 6
