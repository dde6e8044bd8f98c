"""DeepSoCS: its network twice, what it asks, what the released code does, what it is worth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from hocket.core import stats
from hocket.core.errors import InputError, UserError
from hocket.core.streams import Streams
from hocket.core.timeline import Timeline
from hocket.learn import weights
from hocket.learn.asking import Question
from hocket.learn.batch import Batch, join, question
from hocket.taskgraph.check import check
from hocket.taskgraph.deepsocs.forward import scorer
from hocket.taskgraph.generate import named
from hocket.taskgraph.generate.streams import Top
from hocket.taskgraph.metrics import metrics
from hocket.taskgraph.model.jobs import Stream
from hocket.taskgraph.model.scenario import TaskGraphs
from hocket.taskgraph.policies import runtime
from hocket.taskgraph.policies.deepsocs import DeepSoCS
from hocket.taskgraph.policies.runtime import HEFTRT
from hocket.taskgraph.roles import Assign, View
from hocket.taskgraph.simulate.world import simulate
from tests.taskgraph.strategies import scenarios

SEEDS = range(10)
"""Never used in training or selection, which take seeds from 2^31 on."""


class Asked:
    """DeepSoCS with every question answered by `choose`, and kept with the view it was about."""

    name = "taskgraph/asked"

    def __init__(self, choose: Any, compat: bool = False) -> None:
        self.choose, self.policy = choose, DeepSoCS(compat=compat)
        self.asked: list[Question] = []
        self.views: list[dict[str, Any]] = []

    def begin(self, scenario: TaskGraphs, streams: Streams) -> Asked:
        self.inner = self.policy.decider(scenario, streams, self._choose)
        return self

    def schedule(self, view: View) -> list[Assign]:
        undone = [t for job in view.jobs for t in job.tasks if t.finish < 0]
        self.views.append(
            {
                "ready": [undone.index(task) for task in view.ready],
                "undone": [(t.job.number, t.job.graph.mean(t.index)) for t in undone],
                "busy": sum(1 for core in view.cores if core.running),
                "cores": len(view.cores),
                "started": [any(t.start >= 0 for t in job.tasks) for job in view.jobs],
                "edges": sorted(
                    (undone.index(t), undone.index(t.job.tasks[s]))
                    for t in undone
                    for s, _ in t.job.graph.outputs[t.index]
                ),
                "elapsed": [
                    next(
                        (
                            (view.now - r.start, r.durations[t.processor])
                            for r in (view.cores[t.processor].running if t.processor >= 0 else [])
                        ),
                        (0, 0),
                    )
                    for t in undone
                ],
            }
        )
        answer: list[Assign] = self.inner.schedule(view)
        return answer

    def _choose(self, one: Question) -> int:
        self.asked.append(one)
        self.views[-1].setdefault("asked", []).append(one)
        rows = np.flatnonzero(one.batch.mask)
        return int(self.choose(rows))


def batches(seconds: int = 400) -> list[Batch]:
    policy: Any = Asked(max)
    simulate(Top(profiles=5, horizon=seconds).make(), policy, seed=2)
    return [one.batch for one in policy.asked]


def test_features_are_those_of_the_view() -> None:
    policy: Any = Asked(max)
    simulate(Top(profiles=3, horizon=600).make(), policy, seed=4)
    unit = np.mean([m for view in policy.views[:1] for _, m in view["undone"]])
    checked = 0
    for view in policy.views:
        for one in view.get("asked", []):
            batch, idle = one.batch, view["cores"] - view["busy"]
            jobs = [
                (idle / 6.5, -2 if started else 2, view["busy"] / 6.5)
                for started in view["started"]
            ]
            np.testing.assert_allclose(batch.tables["jobs"], jobs, rtol=1e-5)
            tasks = [
                (a * b / 10000, a / 200, mean / unit)
                for (a, b), (_, mean) in zip(view["elapsed"], view["undone"], strict=True)
            ]
            np.testing.assert_allclose(batch.tables["tasks"], tasks, rtol=1e-5)
            assert sorted(map(tuple, batch.links["children"].ends.T.tolist())) == view["edges"]
            checked += 1
    assert checked > 50


def test_the_mask_is_the_ready_tasks_not_picked_yet() -> None:
    policy: Any = Asked(min)
    simulate(Top(profiles=5, horizon=600).make(), policy, seed=1)
    several = 0
    for view in policy.views:
        left = sorted(view["ready"])
        for one in view.get("asked", []):
            assert np.flatnonzero(one.batch.mask).tolist() == left
            left = left[1:]
        assert len(left) <= 1
        several += len(view["ready"]) > 2
    assert several > 5


def test_the_answers_are_the_order_of_assignment() -> None:
    for pick in (min, max):
        policy: Any = Asked(pick)
        timeline = simulate(Top(profiles=1, horizon=50).make(), policy, seed=1)
        assert not check(Top(profiles=1, horizon=50).make(), timeline)
        first = min(timeline.spans(), key=lambda span: (span.start, span.reason))
        assert first.group.endswith("#0" if pick is min else "#2")
        assert first.reason.startswith("deepsocs: number 1 of 3, finishes at 9 on P3")


def test_numpy_and_pytorch_give_the_same_scores() -> None:
    torch = pytest.importorskip("torch")
    from hocket.learn.network import scorer as with_torch

    for compat in (False, True):
        policy = DeepSoCS(compat=compat)
        torch.manual_seed(7)
        drawn = weights.of(policy.network())
        batch = join(batches())
        found, expected = policy.scorer(drawn)(batch), with_torch(policy.network(), drawn)(batch)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_questions_are_scored_one_by_one_as_all_together() -> None:
    score = scorer(weights.load(DeepSoCS()), 2)
    parts = batches()
    together = score(join(parts))
    np.testing.assert_allclose(together, np.concatenate([score(p) for p in parts]), atol=1e-4)


def test_tasks_may_stand_in_any_order() -> None:
    score = scorer(weights.load(DeepSoCS()), 2)
    batch = max(batches(), key=lambda b: len(b.tables["tasks"]))
    order = np.random.default_rng(3).permutation(len(batch.tables["tasks"]))
    place = np.argsort(order)
    jobs = batch.links["member"].ends[1]
    other = question(
        {"tasks": batch.tables["tasks"][order], "jobs": batch.tables["jobs"]},
        "tasks",
        batch.mask[order],
        {
            "children": ("tasks", "tasks", place[batch.links["children"].ends]),
            "member": ("tasks", "jobs", np.stack([np.arange(len(order)), jobs[order]])),
        },
    )
    np.testing.assert_allclose(score(batch)[order], score(other), atol=1e-4)


class Rotated:
    """HEFT_RT without its ranks, the first ready task last."""

    name = "taskgraph/rotated"

    def begin(self, scenario: TaskGraphs, streams: Streams) -> Rotated:
        self.inner = HEFTRT().begin(scenario, streams)
        return self

    def schedule(self, view: View) -> list[Assign]:
        ready = view.ready
        view.ready = [*ready[1:], ready[0]]
        answers = {decision.task.id: decision for decision in self.inner.schedule(view)}
        return [answers[task.id] for task in ready]


def bare(timeline: Timeline) -> list[Any]:
    spans = [span._replace(reason="") for span in timeline.spans()]
    return [spans, list(timeline.points()), list(timeline.gauges())]


@settings(max_examples=30)
@given(scenarios(), st.integers(0, 2**16))
def test_compat_places_tasks_as_they_became_ready_the_first_one_last(
    scenario: TaskGraphs, seed: int
) -> None:
    policy: Any = Rotated()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runtime, "_mean", lambda task: 0.0)
        expected = simulate(scenario, policy, seed=seed)
    assert bare(simulate(scenario, DeepSoCS(compat=True), seed=seed)) == bare(expected)


def test_compat_asks_and_does_not_listen() -> None:
    scenario = Top(profiles=5, horizon=600).make()
    one, two = Asked(min, compat=True), Asked(max, compat=True)
    policies: list[Any] = [one, two]
    timelines = [simulate(scenario, policy, seed=3) for policy in policies]
    assert timelines[0] == timelines[1]
    assert one.asked and len(one.asked) == len(two.asked)


def played(policy: Any, noise: float) -> list[float]:
    scenario = Top(profiles=5, noise=noise).make()
    return [metrics(scenario, simulate(scenario, policy, seed=s))["mean_latency"] for s in SEEDS]


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_the_shipped_weights_beat_heft_rt_on_jobs_never_seen(noise: float) -> None:
    difference = stats.paired(played(DeepSoCS(), noise), played(HEFTRT(), noise))
    assert difference.high < 0, difference


@pytest.mark.parametrize("compat", [False, True])
def test_a_run_is_legal_and_repeats_itself(compat: bool) -> None:
    scenario = Top(profiles=5, noise=0.3, horizon=1000).make()
    one, two = (simulate(scenario, DeepSoCS(compat=compat), seed=5) for _ in range(2))
    assert one == two
    assert not check(scenario, one)


def test_the_curriculum_ends_with_the_scenario_itself() -> None:
    policy, scenario = DeepSoCS(), Top().make()
    gaps = []
    for progress in (0.0, 0.4, 0.8, 1.0):
        arrivals = policy.curriculum(scenario, progress).arrivals
        assert isinstance(arrivals, Stream)
        gaps.append(arrivals.gap)
    assert gaps == [1000, 512.5, 25, 25]
    slow = replace(scenario, arrivals=replace(scenario.arrivals, gap=2000.0))
    assert policy.curriculum(slow, 0.0) is slow
    assert policy.curriculum(named("canonical"), 0.0) == named("canonical")


def test_other_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="do not fit"):
        scorer({"a": np.zeros(3, np.float32)}, 2)
    own = weights.load(DeepSoCS())
    told = weights.metadata(DeepSoCS())
    file = weights.save(tmp_path / "a.safetensors", own, replace(told, policy="taskgraph/neural"))
    with pytest.raises(InputError, match="are for taskgraph/neural"):
        simulate(named("canonical"), DeepSoCS(weights=str(file)))
    simulate(named("canonical"), DeepSoCS(compat=True, weights="nowhere.safetensors"))
