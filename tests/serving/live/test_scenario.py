"""What a record becomes as a scenario."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

import hocket
from hocket.core.load import load_policy
from hocket.serving.check import check
from hocket.serving.cost import Constant, Roofline
from hocket.serving.live.record import Asked, Finished, Line, Step
from hocket.serving.live.recording import recording
from hocket.serving.live.scenario import scenario
from hocket.serving.live.timeline import CUT_OFF, timeline
from hocket.serving.metrics import metrics, requests_table
from hocket.serving.simulate.cluster import simulate
from hocket.serving.workload import Trace
from tests.serving.live.test_recording import ASKED, BEGAN, DONE, STEPS, WHOLE


def trace(lines: list[Line]) -> Trace:
    workload = scenario(recording(lines)).workload
    assert isinstance(workload, Trace)
    return workload


def test_the_requests_are_as_they_were() -> None:
    other = Asked(
        id="b", at=9, arrival=8, prompt=9, priority=-1, tenant="t", expected=4, prefix=(7, 2**62)
    )
    found = trace(
        [BEGAN, ASKED, other, *STEPS, DONE, Finished(id="b", at=50, generated=3, why="stop")]
    )
    assert found.names == ("a", "b")
    assert (found.arrival, found.prompt, found.output) == ((3, 8), (6, 9), (2, 3))
    assert found.limit == (9, 2**31 - 1)
    assert (found.priority, found.tenant, found.expected) == ((0, -1), ("", "t"), (0, 4))
    assert (found.prefix, found.prefix_block) == (((), (7, 2**62)), 4)
    assert found.cancel == ()
    assert found.notes == ()


def test_columns_that_say_nothing_are_left_out() -> None:
    found = trace([BEGAN, replace(ASKED, limit=2**31), *STEPS, DONE])
    assert (found.limit, found.priority, found.tenant, found.expected) == ((), (), (), ())
    assert (found.cancel, found.prefix) == ((), ())


def test_who_was_aborted_goes_away_when_it_did() -> None:
    gone = Finished(id="a", at=25, generated=1, why="abort")
    found = trace([BEGAN, ASKED, *STEPS[:1], gone])
    assert found.cancel == (22,)
    assert found.output == (9,), "what it might have had: up to its limit"


def test_who_is_under_way_at_the_end_goes_away_then_and_is_noted() -> None:
    lines: list[Line] = [BEGAN, replace(ASKED, limit=100), *STEPS]
    found = trace(lines)
    assert found.cancel == (27,)
    assert found.output == (34,), "up to what the engine can hold"
    assert "1 request was under way when the record ended" in found.notes[0]
    told = timeline(recording(lines))
    assert [(p.group, p.time, p.reason) for p in told.points("cancel")] == [("a", 30, CUT_OFF)]
    assert [s.name for s in told.spans()] == ["prefill 6", "decode 1"]
    assert check(scenario(recording(lines)), told) == []


def test_a_request_from_before_the_record_arrives_as_it_begins() -> None:
    assert trace([BEGAN, replace(ASKED, arrival=-7), *STEPS, DONE]).arrival == (0,)


def test_the_engine_is_a_pool_of_its_own_without_a_name_in_the_catalogue() -> None:
    found = scenario(recording(WHOLE), name="x")
    assert found.name == "x"
    (pool,) = found.pools
    assert (pool.block_size, pool.kv_blocks, pool.max_context) == (4, 10, 40)
    assert (pool.gpu, pool.model) == ("", "")
    assert pool.cost == Constant(seconds=1e-5), "as long as the shortest iteration"
    known = replace(BEGAN, model="meta-llama/Llama-3.1-8B")
    assert scenario(recording([known, *WHOLE[1:]])).pools[0].model == "llama-3.1-8b"


def test_iterations_that_overlap_count_for_what_they_add() -> None:
    ahead = [STEPS[0], Step(n=1, at=12, end=24, tokens={"a": 1}, free=8)]
    found = scenario(recording([replace(BEGAN, overlapped=True), ASKED, *ahead, DONE]))
    assert found.pools[0].cost == Constant(seconds=4e-6)
    told = timeline(recording([replace(BEGAN, overlapped=True), ASKED, *ahead, DONE]))
    assert [(s.name, s.start, s.end) for s in told.spans()] == [
        ("prefill 6", 10, 20),
        ("decode 1", 20, 24),
    ]
    assert next(iter(told.tallies("busy"))).value == 14


def test_what_was_composed_for_an_answer_that_was_complete_counts_for_nothing() -> None:
    lines = [replace(BEGAN, overlapped=True), ASKED, *STEPS]
    lines += [Step(n=2, at=25, end=40, tokens={"a": 1}, free=8), DONE]
    told = timeline(recording(lines))
    assert next(iter(told.points("finish"))).time == 30
    assert next(iter(told.tallies("iterations"))).value == 3


def test_a_prompt_that_never_fits_is_refused() -> None:
    lines = [*WHOLE, Asked(id="b", at=40, arrival=40, prompt=40)]
    lines += [Finished(id="b", at=41, generated=0, why="error")]
    found = recording(lines)
    told = timeline(found)
    assert [point.group for point in told.points("reject")] == ["b"]
    assert check(scenario(found), told) == []
    assert metrics(scenario(found), told)["rejected"] == 1


def test_it_survives_the_way_through_a_file_and_runs_under_any_policy(tmp_path: Any) -> None:
    found = scenario(recording(WHOLE))
    path = tmp_path / "live.yaml"
    hocket.save(found, path)
    assert "model: ''" in path.read_text()
    again = hocket.load(path)
    assert again == found
    done = simulate(found, load_policy("serving/vllm-v1"))
    assert requests_table(found, done).output.tolist() == [2]


@pytest.mark.parametrize(
    "change", [{"cost": Roofline()}, {"kv_blocks": None}, {"max_context": None}, {"host_blocks": 5}]
)
def test_a_pool_without_a_model_must_tell_what_would_follow_from_it(change: dict[str, Any]) -> None:
    found = scenario(recording(WHOLE))
    wrong = replace(found, pools=(replace(found.pools[0], **change),))
    assert {problem.path for problem in wrong.problems()} == {"pools[0].gpu", "pools[0].model"}
