"""The runs that are compared, and how a difference is told: all without an engine."""

import numpy as np
import pytest

from hocket.core.errors import Deadlock, UserError
from hocket.core.streams import Streams
from hocket.serving.live.vllm.prompts import FIRST, STOP, asks
from hocket.serving.live.vllm.tiny import tiny_model
from hocket.serving.model.cluster import Cluster, Pool
from hocket.serving.policies.vllm import VllmV1
from hocket.serving.roles.batching import Limits
from hocket.serving.simulate.steps import SimStep, steps
from hocket.serving.workload.trace import Trace
from hocket.testing import live_compare
from hocket.testing.live_cases import Kind, draw, shrunk
from hocket.testing.live_compare import Run, parting, simulated, told

LIMITS = Limits(tokens=48, seqs=4, whole=True)


def rng(number: int) -> np.random.Generator:
    return Streams(number)["cases"]


@pytest.mark.parametrize("number", range(40))
def test_drawn_runs_are_lawful_scenarios(number: int) -> None:
    assert list(draw(rng(number), LIMITS, Kind(), "one").problems()) == []


def test_drawn_runs_hold_all_that_is_to_be_compared() -> None:
    drawn = [draw(rng(number), LIMITS, Kind(), "one") for number in range(60)]
    traces = [case.workload for case in drawn]
    found = [steps(case, VllmV1(tokens=48, seqs=4)) for case in drawn]
    assert any(any(step.preempted for step in run) for run in found)
    assert any(max(trace.prompt) > 48 for trace in traces)
    assert any(min(trace.cancel, default=-1) != max(trace.cancel, default=-1) for trace in traces)
    assert any(len(set(trace.arrival)) < len(trace.arrival) for trace in traces)
    assert {case.pools[0].prefix_cache for case in drawn} == {False, True}


def test_without_ties_no_two_requests_arrive_together() -> None:
    for number in range(20):
        trace = draw(rng(number), LIMITS, Kind(distinct=True), "one").workload
        assert len(set(trace.arrival)) == len(trace.arrival)


def test_equal_ids_of_a_prefix_have_equal_ids_before_them() -> None:
    before: dict[int, tuple[int, ...]] = {}
    for number in range(30):
        for ids in draw(rng(number), LIMITS, Kind(), "one").workload.prefix:
            for place, one in enumerate(ids):
                assert before.setdefault(one, ids[:place]) == ids[:place]


def test_a_failing_run_shrinks_to_the_request_that_makes_it_fail() -> None:
    trace = Trace(
        arrival=(0, 5, 9, 12), prompt=(9, 40, 7, 8), output=(3, 20, 4, 5), names=tuple("abcd")
    )
    case = Cluster(workload=trace, pools=(Pool(kv_blocks=9),))
    tried = []

    def fails(one: Cluster) -> bool:
        tried.append(one)
        return any(prompt > 30 for prompt in one.workload.prompt)

    small = shrunk(case, fails).workload
    assert (small.names, small.prompt, small.output) == (("b",), (40,), (1,))
    assert len(tried) < 60


def prompt_of(*, prefix: tuple[tuple[int, ...], ...], prompt: tuple[int, ...]) -> list:
    trace = Trace(
        arrival=(0,) * len(prompt),
        prompt=prompt,
        output=(2,) * len(prompt),
        limit=(2, *(4,) * (len(prompt) - 1)),
        prefix=prefix,
        prefix_block=4,
        names=tuple(f"r{i}" for i in range(len(prompt))),
    )
    return asks(Cluster(workload=trace, pools=(Pool(kv_blocks=20, block_size=4),)))


def test_prompts_are_equal_exactly_as_far_as_their_prefix_ids_are() -> None:
    first, second, third = prompt_of(prefix=((7, 8), (7, 8, 9), (5,)), prompt=(9, 12, 4))
    assert first.prompt[:8] == second.prompt[:8]
    assert first.prompt[8] != second.prompt[8]
    assert not set(third.prompt) & set(second.prompt)
    assert min(*first.prompt, *second.prompt, *third.prompt) >= FIRST
    assert len({first.token, second.token, third.token}) == 3


def test_only_an_answer_shorter_than_its_limit_ends_with_a_stop() -> None:
    whole, early = prompt_of(prefix=(), prompt=(3, 3))
    assert [whole.answer(n) for n in range(2)] == [whole.token] * 2
    assert [early.answer(n) for n in range(2)] == [early.token, STOP]


def test_requests_that_wait_for_others_are_refused() -> None:
    trace = Trace(arrival=(0, 0), prompt=(3, 3), output=(1, 1), clients=1)
    with pytest.raises(UserError, match="cannot be laid beside an engine"):
        asks(Cluster(workload=trace, pools=(Pool(kv_blocks=9),)))


def step(time: int, **changed: object) -> SimStep:
    made = SimStep(time, "replica-0", {"a": 1}, (), 5, ("a",), ())
    return made._replace(**changed)


def test_runs_part_at_the_first_iteration_that_differs_or_at_the_end_of_one() -> None:
    run = [step(0), step(10), step(20)]
    assert parting(run, list(run)) is None
    assert parting(run, [step(0), step(10, free=4), step(21)]) == 1
    assert parting(run, run[:2]) == 2
    assert parting(run, [step(0, reasons={"b": "full"}), *run[1:]]) is None


def test_a_difference_is_told_with_both_states_and_what_was_before() -> None:
    trace = Trace(arrival=(0, 3), prompt=(40, 20), output=(3, 4), names=("a", "b"))
    pool = Pool(kv_blocks=9, max_context=64)
    ours = simulated(Cluster(workload=trace, pools=(pool,)), VllmV1(tokens=32), 0)
    assert len(ours.steps) == len(ours.seen)
    other = [*ours.steps[:2], ours.steps[2]._replace(free=99), *ours.steps[3:]]
    text = told(ours, Run(other, ours.seen), 2)
    assert "iteration 2 is the first that differs" in text
    assert "a=32" in text  # iteration 0
    assert [line.split()[1] for line in text.splitlines() if line.startswith("*")] == ["free"]
    assert "a:40+1" in text
    ended = told(ours, Run(other[:2], ours.seen[:2], "RuntimeError: no"), 2)
    assert "RuntimeError: no" in ended


@pytest.mark.parametrize(
    "fields",
    [{"hidden": 100}, {"heads": 3, "hidden": 96}, {"layers": 0}, {"vocab": 258}, {"kv_heads": 0}],
    ids=str,
)
def test_a_model_that_cannot_be_is_refused(fields: dict[str, int], tmp_path) -> None:
    with pytest.raises(UserError, match=r"model|vocabulary"):
        tiny_model(tmp_path, **fields)
    assert not list(tmp_path.iterdir())


def test_a_run_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = Trace(arrival=(0,) * 3, prompt=(30,) * 3, output=(40,) * 3, names=tuple("abc"))
    run = Cluster(workload=trace, pools=(Pool(kv_blocks=9, max_context=80),), gauge_every=0)
    assert len(simulated(run, VllmV1(), 0).steps) < live_compare.most(run)
    monkeypatch.setattr(live_compare, "most", lambda scenario: 20)
    with pytest.raises(Deadlock, match="serving/vllm-v1 is not done after 20 iterations"):
        simulated(run, VllmV1(), 0)
