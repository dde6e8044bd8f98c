import math
from pathlib import Path

import msgspec
import numpy as np
import pytest

from hocket.core.errors import InputError, UserError
from hocket.serving.calibrate.start import NAMES
from hocket.serving.cost import Linear
from hocket.serving.live.record import Asked, Finished, Line
from hocket.serving.model.cluster import Pool
from hocket.serving.twin import Twin, from_log, from_record, is_record, twin
from hocket.serving.twin.compare import JUDGED
from tests.serving.calibrate import logs
from tests.serving.twin.records import KNOWN, POOL, record, replaced, save, workload

TIGHT = msgspec.structs.replace(POOL, kv_blocks=70)
CACHED = msgspec.structs.replace(TIGHT, prefix_cache=True)


def made(tmp_path: Path, lines: list[Line], split: float = 0.5, target: float = 0.1) -> Twin:
    return twin(save(lines, tmp_path / "run.jsonl"), split=split, target=target)


@pytest.mark.parametrize("pool", [POOL, TIGHT, CACHED], ids=["roomy", "preempting", "cached"])
def test_a_simulated_engine_is_predicted_exactly(pool: Pool, tmp_path: Path) -> None:
    found = made(tmp_path, record(workload(rate=5.0), pool))
    assert not found.missed
    assert {(row.metric, row.statistic) for row in found.errors} >= {
        (metric, statistic) for metric in ("ttft", "tpot", "e2e") for statistic in ("mean", "p90")
    }
    for row in found.errors:
        assert row.error == pytest.approx(0.0, abs=2e-4), (row.metric, row.statistic)


def test_noise_is_seen_through_within_its_interval(tmp_path: Path) -> None:
    found = made(tmp_path, record(workload(count=300, rate=5.0), noise=0.2, between=0.002))
    cost = found.calibration.cost
    assert isinstance(cost, Linear)
    assert cost.base == pytest.approx(0.014, rel=0.1)
    for row in found.errors:
        if row.statistic == "mean" or row.metric == "makespan":
            assert abs(row.error) < 0.06, row.metric


def test_the_second_half_is_compared_after_the_first_as_warm_up(tmp_path: Path) -> None:
    lines = record(workload(count=80, rate=5.0))
    found = made(tmp_path, lines, split=0.25)
    assert found.cut == 20 and len(found.served) == 80
    measured, predicted = found.halves()
    assert len(measured.ttft) == len(predicted.ttft) == 60
    asked = [line for line in lines if isinstance(line, Asked)]
    ends = {line.id: line.at for line in lines if isinstance(line, Finished)}
    told = {(row.metric, row.statistic): row for row in found.errors}
    last = max(ends[line.id] for line in asked[20:])
    assert told["makespan", "max"].measured == pytest.approx((last - asked[20].arrival) / 1e6)
    e2e = np.mean([ends[line.id] - line.arrival for line in asked[20:]]) / 1e6
    assert told["e2e", "mean"].measured == pytest.approx(e2e)
    assert told["e2e", "mean"].requests == 60


def test_nothing_after_the_cut_is_fitted_to(tmp_path: Path) -> None:
    """An engine that becomes half as fast is predicted as it was before."""
    trace = msgspec.structs.replace(
        workload(count=80), arrival=tuple(range(0, 80 * 20_000_000, 20_000_000))
    )
    twice = Linear(**{name: 2 * getattr(KNOWN, name) for name in NAMES})
    cut = trace.arrival[40]
    before = [line for line in record(trace) if _at(line) < cut]
    slower = record(trace, msgspec.structs.replace(POOL, cost=twice))
    found = made(tmp_path, before + [line for line in slower if _at(line) >= cut])
    assert found.calibration.cost == made(tmp_path, record(trace)).calibration.cost
    told = {(row.metric, row.statistic): row for row in found.errors}
    for metric in ("ttft", "tpot", "e2e"):
        assert told[metric, "mean"].error == pytest.approx(-0.5, abs=1e-3)
        assert told[metric, "mean"] in found.missed
    assert {row.statistic for row in found.missed} <= set(JUDGED)


def _at(line: Line) -> int:
    return getattr(line, "at", 0)


def test_a_target_is_what_it_is_held_to(tmp_path: Path) -> None:
    lines = record(workload(count=100, rate=5.0), noise=0.3)
    strict, lenient = made(tmp_path, lines, target=1e-6), made(tmp_path, lines, target=0.9)
    assert strict.errors == lenient.errors
    assert strict.missed and not lenient.missed


def test_the_same_record_gives_the_same_twin(tmp_path: Path) -> None:
    lines = record(workload(rate=5.0), noise=0.3)
    one, other = made(tmp_path, lines), made(tmp_path, lines)
    assert one.calibration == other.calibration
    assert one.timeline.columns() == other.timeline.columns()


def test_an_aborted_request_is_left_out_and_gone_from_the_simulation_too(tmp_path: Path) -> None:
    lines = record(workload(count=60, rate=2.0))
    last = max((line for line in lines if isinstance(line, Finished)), key=lambda line: line.at)
    short = [replaced(line, why="abort") if line is last else line for line in lines]
    found = made(tmp_path, short)
    row = found.served.requests.names.index(last.id)
    assert math.isnan(found.served.times.e2e[row]) and math.isnan(found.predicted.e2e[row])
    told = {(row.metric, row.statistic): row for row in found.errors}
    assert told["e2e", "mean"].requests == 29
    assert told["e2e", "mean"].error == pytest.approx(0.0, abs=2e-4)


def test_a_log_of_requests_alone_has_a_twin_too() -> None:
    log = logs.served(logs.requests(120, rate=3.0), logs.KNOWN)
    found = twin(from_log(log, logs.POOL, logs.POLICY))
    assert found.cut == 60
    assert not found.missed
    assert found.served.timeline is None


def test_what_is_too_short_is_refused(tmp_path: Path) -> None:
    lines = record(workload(count=2, rate=1.0))
    with pytest.raises(InputError, match="too few"):
        made(tmp_path, lines)
    alone = record(workload(count=1, rate=1.0))
    with pytest.raises(InputError, match="cannot be split"):
        made(tmp_path, alone)
    with pytest.raises(UserError, match="a split of 1"):
        made(tmp_path, lines, split=1.0)


def test_nothing_answered_is_nothing_to_compare(tmp_path: Path) -> None:
    lines = record(workload(count=60, rate=4.0))
    asked = sorted((line for line in lines if isinstance(line, Asked)), key=lambda a: a.arrival)
    later = {line.id for line in asked[30:]}
    aborted = [
        replaced(line, why="abort") if isinstance(line, Finished) and line.id in later else line
        for line in lines
    ]
    with pytest.raises(InputError, match="none of 30 requests was answered"):
        made(tmp_path, aborted)


def test_times_that_cannot_be_are_left_out_and_said(tmp_path: Path) -> None:
    lines = record(workload(count=60, rate=4.0))
    late = max((line for line in lines if isinstance(line, Asked)), key=lambda line: line.at)
    skewed = [replaced(x, arrival=x.at + 10**9) if x is late else x for x in lines]
    served = from_record(save(skewed, tmp_path / "run.jsonl"))
    (note,) = served.notes
    assert note.startswith("1 requests were answered no later than they arrived")
    assert np.isnan(served.times.ttft).sum() == np.isnan(served.times.e2e).sum() == 1
    assert all(math.isfinite(row.error) for row in twin(served).errors)


def test_records_are_told_from_logs(tmp_path: Path) -> None:
    run = save(record(workload(count=20, rate=5.0)), tmp_path / "run.jsonl")
    log = tmp_path / "log.jsonl"
    log.write_text('{"arrival": 0, "prompt": 3, "output": 4, "ttft": 1, "e2e": 2}\n')
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    assert is_record(run)
    assert not any(map(is_record, (log, empty, binary, tmp_path, tmp_path / "nothing")))


def test_times_of_a_record_are_those_of_its_lines(tmp_path: Path) -> None:
    lines = record(workload(count=30, rate=5.0))
    served = from_record(save(lines, tmp_path / "run.jsonl"))
    left = {line.id: line for line in lines if isinstance(line, Finished)}
    for i, name in enumerate(served.requests.names):
        asked = next(line for line in lines if isinstance(line, Asked) and line.id == name)
        assert served.times.e2e[i] == pytest.approx((left[name].at - asked.arrival) / 1e6)
        assert math.isnan(served.times.tpot[i]) == (left[name].generated == 1)
