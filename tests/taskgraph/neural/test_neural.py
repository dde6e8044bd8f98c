"""Neural list scheduling: its network twice, its symmetries, and what its weights are worth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from hocket.core import stats
from hocket.core.errors import InputError, UserError
from hocket.core.streams import Streams
from hocket.learn import weights
from hocket.learn.asking import Question
from hocket.learn.batch import join, question
from hocket.taskgraph.check import check
from hocket.taskgraph.generate import named
from hocket.taskgraph.generate.streams import Top
from hocket.taskgraph.meter import Meter, par, total
from hocket.taskgraph.metrics import metrics
from hocket.taskgraph.model.jobs import Stream
from hocket.taskgraph.neural.features import FEATURES
from hocket.taskgraph.neural.forward import scorer
from hocket.taskgraph.policies.deepsocs import DeepSoCS
from hocket.taskgraph.policies.neural import Neural
from hocket.taskgraph.policies.runtime import ETF
from hocket.taskgraph.roles import View
from hocket.taskgraph.simulate.world import simulate

SEEDS = range(8)
"""Never used in training or selection, which take seeds from 2^31 on."""


def questions(count: int, seed: int = 0) -> list[Any]:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 9, count)
    return [question({"pairs": rng.normal(size=(n, len(FEATURES)))}, "pairs") for n in sizes]


def shipped() -> dict[str, Any]:
    return weights.load(Neural())


def test_numpy_and_pytorch_give_the_same_scores() -> None:
    pytest.importorskip("torch")
    from hocket.learn.network import scorer as with_torch

    batch = join(questions(20))
    found = Neural().scorer(shipped())(batch)
    expected = with_torch(Neural().network(), shipped())(batch)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_questions_are_scored_one_by_one_as_all_together() -> None:
    score = scorer(shipped(), 48)
    parts = questions(12, seed=1)
    together = score(join(parts))
    np.testing.assert_allclose(together, np.concatenate([score(p) for p in parts]), atol=1e-4)


def test_the_order_of_rows_does_not_matter() -> None:
    score = scorer(shipped(), 48)
    rng = np.random.default_rng(2)
    table = rng.normal(size=(7, len(FEATURES)))
    order = rng.permutation(7)
    one = score(question({"pairs": table}, "pairs"))
    other = score(question({"pairs": table[order]}, "pairs"))
    np.testing.assert_allclose(one[order], other, atol=1e-4)


def played(policy: Any, noise: float, **fields: Any) -> list[dict[str, float]]:
    scenario = Top(profiles=5, noise=noise, **fields).make()
    return [metrics(scenario, simulate(scenario, policy, seed=seed)) for seed in SEEDS]


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_the_shipped_weights_beat_etf_on_jobs_never_seen(noise: float) -> None:
    ours, etf = played(Neural(), noise), played(ETF(), noise)
    latency = stats.paired([m["mean_latency"] for m in ours], [m["mean_latency"] for m in etf])
    completed = stats.paired([m["completed"] for m in ours], [m["completed"] for m in etf])
    assert latency.high < 0 < completed.low, (latency, completed)


def test_a_run_is_legal_and_repeats_itself() -> None:
    scenario = Top(profiles=5, noise=0.3, horizon=1000).make()
    one, two = (simulate(scenario, Neural(), seed=5) for _ in range(2))
    assert one == two
    assert not check(scenario, one)


@pytest.mark.parametrize("name", ["canonical", "wifi-rx", "wifi-tx"])
def test_it_finishes_single_jobs_on_other_systems_too(name: str) -> None:
    scenario = named(name)
    timeline = simulate(scenario, Neural())
    assert not check(scenario, timeline)
    assert len(list(timeline.spans("run"))) == len(scenario.types[0].tasks)


def test_weights_of_another_width_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="do not fit"):
        scorer(shipped(), 32)
    file = weights.save(tmp_path / "a.safetensors", shipped(), weights.metadata(Neural()))
    with pytest.raises(InputError, match="width is 32 here"):
        simulate(named("canonical"), Neural(width=32, weights=str(file)))


def test_the_meter_ends_where_the_timeline_does() -> None:
    """What is read during a run, and what is reckoned afterwards, are the same cost."""
    scenario = Top(profiles=5, noise=0.2, horizon=600).make()
    seen: list[tuple[int, float]] = []

    class Metered:
        name = "taskgraph/metered"

        def begin(self, scenario: Any, streams: Streams) -> Metered:
            self.inner, self.meter = ETF().begin(scenario, streams), Meter(100.0)
            return self

        def schedule(self, view: View) -> Any:
            seen.append((view.now, self.meter.read(view)))
            return self.inner.schedule(view)

    policy: Any = Metered()
    timeline = simulate(scenario, policy, seed=3)
    arrivals = [p.time for p in timeline.points("arrive")]
    done = {p.group: p.time for p in timeline.points("done")}
    groups = [p.group for p in timeline.points("arrive")]
    for now, cost in seen:
        spent = sum(
            min(done.get(g, now), now) - a
            for g, a in zip(groups, arrivals, strict=True)
            if a <= now
        )
        assert cost == spent - 100 * sum(time <= now for time in done.values())
    assert total(scenario, timeline, 100.0) == pytest.approx(
        600 * metrics(scenario, timeline)["jobs_mean"] - 100 * len(done)
    )


def test_par_is_what_etf_needs_for_a_job() -> None:
    scenario = Top(profiles=2, horizon=800).make()
    costs = [total(scenario, simulate(scenario, ETF(), seed=2**31 - k), par(scenario)) for k in
             range(1, 5)]  # fmt: skip
    assert sum(costs) == pytest.approx(0, abs=1e-6)


def test_questions_carry_time_and_cost_and_only_real_choices() -> None:
    scenario = Top(profiles=5, horizon=500).make()
    asked: list[Question] = []

    def first(one: Question) -> int:
        asked.append(one)
        return 0

    class Asked:
        name = "taskgraph/asked"

        def begin(self, scenario: Any, streams: Streams) -> Any:
            return Neural().decider(scenario, streams, first)

    policy: Any = Asked()
    assert not check(scenario, simulate(scenario, policy, seed=1))
    assert min(len(one.batch.mask) for one in asked) >= 2
    assert [one.time for one in asked] == sorted(one.time for one in asked)
    assert len({one.cost for one in asked}) > 10


def test_it_says_how_many_pairs_there_were() -> None:
    reasons = {span.reason for span in simulate(named("canonical"), Neural()).spans("run")}
    assert "neural: of 3 pairs of a ready task and a processor with room" in reasons


def test_questions_are_no_larger_than_announced() -> None:
    scenario = Top(profiles=10, capacity=4, horizon=800).make()
    listed = named("canonical")
    assert Neural().most_rows(scenario) == {"pairs": 4 * 10 * 3 + 1}
    assert DeepSoCS().most_rows(scenario) == {"tasks": 40, "jobs": 4}
    assert DeepSoCS().most_rows(listed) == {"tasks": 10, "jobs": 1}
    assert Neural().most_rows(replace(scenario, arrivals=Stream(jobs=2))) == {"pairs": 61}
    with pytest.raises(UserError, match="set arrivals"):
        Neural().most_rows(replace(scenario, arrivals=Stream()))


def test_it_is_a_gymnasium_environment() -> None:
    pytest.importorskip("gymnasium")
    pytest.importorskip("greenlet")
    from hocket.learn.env import Environment

    environment = Environment(Top(profiles=5, horizon=300).make(), observation="padded")
    _, info = environment.reset(seed=3)
    rewards, over = 0.0, False
    while not over:
        row = int(np.flatnonzero(info["action_mask"])[0])
        _, reward, over, _, info = environment.step(row)
        rewards += float(reward)
    assert rewards == pytest.approx(-info["cost"])
