from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.core.errors import InputError, UnknownName, UserError
from hocket.core.policy import Policy
from hocket.serving.calibrate.replay import drawn
from hocket.serving.model.cluster import Pool
from hocket.serving.policies.past_future import PastFuture
from hocket.serving.policies.vllm import VllmV1
from hocket.serving.twin import Served, Twin, from_log, from_record, twin, what_if
from hocket.serving.twin.bounds import Bounded
from hocket.serving.twin.change import changed
from hocket.serving.workload import Trace
from tests.serving.calibrate import logs
from tests.serving.twin.records import POLICY, POOL, record, save, workload

TRACE = workload(count=120, rate=5.0)
HALF = msgspec.structs.replace(POOL, kv_blocks=100)
TIGHT = msgspec.structs.replace(POOL, kv_blocks=200)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Twin:
    folder = tmp_path_factory.mktemp("runs")
    return twin(save(record(TRACE, TIGHT), folder / "ran.jsonl"))


def tried(tmp_path: Path, pool: Pool, policy: Policy = POLICY, trace: Trace = TRACE) -> Served:
    lines = record(trace, pool, policy)
    return from_record(save(lines, tmp_path / "tried.jsonl"))


@pytest.mark.parametrize(
    ("changes", "policy"),
    [
        (["kv_blocks=0.5x"], POLICY),
        (["kv_blocks=100", "seqs=4"], VllmV1(tokens=512, seqs=4)),
        (["kv_blocks=100", "tokens=0.5x"], VllmV1(tokens=256, seqs=16)),
        (["kv_blocks=0.5x", "policy=serving/sarathi"], None),
    ],
    ids=["memory", "memory and requests", "memory and budget", "memory and policy"],
)
def test_what_would_be_is_what_is_when_it_is_tried(
    changes: list[str], policy: Policy | None, found: Twin, tmp_path: Path
) -> None:
    if policy is None:
        policy = changed(found.served, changes).policy
    against = tried(tmp_path, HALF, policy)
    prospect = what_if(found, changes, against=against)
    assert prospect.label == ", ".join(changes)
    assert not prospect.missed
    for row in prospect.errors:
        assert row.error == pytest.approx(0.0, abs=1e-3), (row.metric, row.statistic)


def test_without_changes_what_is_asked_is_read_from_what_was_tried(
    found: Twin, tmp_path: Path
) -> None:
    against = tried(tmp_path, HALF)
    asked = what_if(found, ["kv_blocks=0.5x"], against=against)
    read = what_if(found, against=against)
    assert read.errors == asked.errors
    assert read.scenario.pools[0].kv_blocks == 100


def test_half_the_memory_makes_requests_wait(found: Twin) -> None:
    roomy, half = what_if(found, ["kv_blocks=2x"]), what_if(found, ["kv_blocks=0.3x"])
    assert half.predicted.ttft.mean() > roomy.predicted.ttft.mean()
    assert half.real is None and half.errors == ()


def test_a_higher_rate_brings_the_same_requests_sooner(found: Twin) -> None:
    before, after = found.served.requests, drawn(changed(found.served, ["rate=2x"]).scenario)
    assert after.prompt.tolist() == before.prompt.tolist()
    assert after.arrival.tolist() == [round(tick / 2) for tick in before.arrival.tolist()]
    assert what_if(found, ["rate=0.5x"]).predicted.ttft.mean() <= found.predicted.ttft.mean()


def test_a_policy_stays_within_the_engine_s_bounds(found: Twin) -> None:
    asked = changed(found.served, ["policy=serving/past-future", "policy.every=1"])
    assert asked.policy == Bounded(inner=PastFuture(every=1), tokens=512, seqs=16)
    more = changed(found.served, ["policy=serving/past-future", "seqs=2x"])
    assert more.policy == Bounded(inner=PastFuture(seqs=32), tokens=512, seqs=32)


def test_what_differs_from_what_was_asked_is_said(found: Twin, tmp_path: Path) -> None:
    late = msgspec.structs.replace(TRACE, arrival=tuple(3 * tick for tick in TRACE.arrival))
    against = tried(tmp_path, HALF, VllmV1(tokens=256, seqs=8), late)
    notes = " / ".join(what_if(found, ["prefix_cache=on"], against=against).notes)
    for word in ("blocks: asked was 200", "prefix cache: asked was True", "policy", "arrivals"):
        assert word in notes
    assert what_if(found, ["kv_blocks=100"], against=tried(tmp_path, HALF)).notes == ()


def test_what_a_real_engine_would_refuse_is_said(found: Twin) -> None:
    uncut = ["policy=serving/past-future", "policy.first=50"]
    (note,) = what_if(found, uncut).notes
    assert "never cuts a prompt" in note and "add tokens=2048" in note
    assert what_if(found, [*uncut, "tokens=2048"]).notes == ()
    (note,) = what_if(found, ["policy=serving/sarathi", "policy.preemption=swap"]).notes
    assert "moves no memory" in note


def test_only_a_record_of_the_same_requests_can_stand_beside(found: Twin, tmp_path: Path) -> None:
    fewer = tried(tmp_path, HALF, trace=workload(count=60, rate=5.0))
    with pytest.raises(InputError, match=r"holds 60 requests, but .* has 120"):
        what_if(found, ["kv_blocks=0.5x"], against=fewer)
    others = tried(tmp_path, HALF, trace=workload(count=120, rate=5.0, seed=1))
    with pytest.raises(InputError, match="requests have other prompts or answers"):
        what_if(found, ["kv_blocks=0.5x"], against=others)


def test_a_log_of_requests_alone_can_be_asked_too() -> None:
    log = logs.served(logs.requests(120, rate=3.0), logs.KNOWN)
    made = twin(from_log(log, logs.POOL, logs.POLICY))
    fewer = what_if(made, ["seqs=2", "kv_blocks=0.01x"])
    assert fewer.predicted.e2e.mean() > made.predicted.e2e.mean()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["kv_blocks"], "write KEY=VALUE"),
        (["kv_block=3"], "did you mean 'kv_blocks'"),
        (["colour=red"], "there is policy, kv_blocks"),
        (["kv_blocks=1", "kv_blocks=2"], "changed twice"),
        (["kv_blocks=half"], "write 200 or, for half of that, 0.5x"),
        (["kv_blocks=1.5"], "is no count"),
        (["kv_blocks=0"], "leaves none"),
        (["kv_blocks=" + "9" * 5000], "is no count"),
        (["rate=" + "9" * 5000 + "x"], "is no factor"),
        (["kv_blocks=0.0001x"], "leaves none"),
        (["seqs=-1"], "is no count"),
        (["rate=2"], "write 2x"),
        (["rate=0x"], "is no factor"),
        (["prefix_cache=maybe"], "on or off"),
        (["policy.colour=red"], "colour"),
        (["policy.seqs=none"], "seqs"),
    ],
)
def test_changes_that_cannot_be_made_are_refused(
    changes: list[str], said: str, found: Twin
) -> None:
    with pytest.raises(InputError, match=said):
        changed(found.served, changes)


def test_policies_must_be_known_and_for_serving(found: Twin) -> None:
    with pytest.raises(UnknownName):
        changed(found.served, ["policy=serving/past-furture"])
    with pytest.raises(UserError, match="none for serving"):
        changed(found.served, ["policy=shop/spt"])
    with pytest.raises(UserError, match="nothing is changed"):
        what_if(found)


@given(text=st.text(max_size=30))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    served = _served()
    for key in ("kv_blocks", "seqs", "tokens", "rate", "prefix_cache"):
        try:
            changed(served, [f"{key}={text}"])
        except UserError as error:
            assert str(error)


_KEPT: list[Served] = []


def _served() -> Served:
    if not _KEPT:
        log = logs.served(logs.requests(30, rate=3.0), logs.KNOWN)
        _KEPT.append(from_log(log, logs.POOL, logs.POLICY))
    return _KEPT[0]
