"""Rollouts: in this process and spread over workers, always the same."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hocket.core.errors import MissingExtra, RunError, UserError
from hocket.core.run import run
from hocket.learn import weights
from hocket.learn.asking import Episode
from tests.learn.dispatching import Dispatching, Failing, episodes, small

torch = pytest.importorskip("torch")

from hocket.learn.collect import answers, collect, evaluate  # noqa: E402
from hocket.learn.network import Network, Scores, tensors  # noqa: E402
from hocket.learn.rollout import Rollout  # noqa: E402
from hocket.learn.workers import Workers  # noqa: E402
from tests.learn.networks import Scorer  # noqa: E402


@pytest.fixture
def network() -> Any:
    torch.manual_seed(0)
    return Scorer()


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def same(one: Rollout, two: Rollout) -> bool:
    """Whether two rollouts are equal in every bit."""
    if len(one.steps) != len(two.steps) or not np.array_equal(one.costs, two.costs):
        return False
    for a, b in zip(one.steps, two.steps, strict=True):
        for name in ("lanes", "rows", "log_probs", "values", "times", "costs"):
            if not np.array_equal(getattr(a, name), getattr(b, name)):
                return False
        if not all(np.array_equal(t, b.batch.tables[n]) for n, t in a.batch.tables.items()):
            return False
    return True


def test_a_rollout_is_what_was_asked_and_answered(network: Any) -> None:
    played = episodes(5)
    rollout = collect(Dispatching(), network, played, rng())
    assert rollout.costs.shape == (5,)
    for step in rollout.steps:
        size = step.batch.size
        assert len(step.lanes) == len(step.rows) == len(step.log_probs) == size
        assert len(step.values) == len(step.times) == len(step.costs) == size
        with torch.no_grad():
            scores = network(tensors(step.batch))
        assert np.allclose(step.values, scores.values.numpy())
        for i, (a, b) in enumerate(zip(step.batch.bounds[:-1], step.batch.bounds[1:], strict=True)):
            expected = torch.log_softmax(scores.logits[a:b], 0)[step.rows[i]]
            assert step.log_probs[i] == pytest.approx(float(expected), abs=1e-5)


def test_a_rollout_is_the_same_for_a_seed(network: Any) -> None:
    first = collect(Dispatching(), network, episodes(4), rng(1))
    assert same(first, collect(Dispatching(), network, episodes(4), rng(1)))
    assert not same(first, collect(Dispatching(), network, episodes(4), rng(2)))


def test_collecting_leaves_the_network_in_its_mode(network: Any) -> None:
    seen = []
    network.register_forward_hook(lambda module, *_: seen.append(module.training))
    collect(Dispatching(), network.train(), episodes(1), rng())
    assert network.training
    evaluate(Dispatching(), network.eval(), episodes(1))
    assert not network.training
    assert set(seen) == {False}


def answers_of(rollout: Rollout, lane: int) -> list[int]:
    return [int(row) for s in rollout.steps for row in s.rows[s.lanes == lane]]


def test_answers_are_a_rollout_without_its_questions(network: Any) -> None:
    played = [*episodes(3), Episode(small(jobs=1).make(0), 0), *episodes(2, jobs=7)]
    rollout = collect(Dispatching(), network, played, rng(4))
    found = answers(Dispatching(), network, played, rng(4))
    assert found.costs.tolist() == rollout.costs.tolist()
    assert [r.tolist() for r in found.rows] == [answers_of(rollout, i) for i in range(6)]
    assert found.rows[3].tolist() == []  # with one job there is nothing to ask
    nothing = answers(Dispatching(), network, [], rng())
    assert (nothing.rows, nothing.costs.tolist()) == ([], [])


def test_evaluation_is_what_a_run_with_these_weights_costs(network: Any, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    weights.save(path, weights.of(network), weights.metadata(Dispatching()))
    played = episodes(6)
    policy = Dispatching(weights=str(path))
    expected = [run(e.scenario, policy, e.seed).metrics["makespan"] for e in played]
    assert evaluate(Dispatching(), network, played).tolist() == expected


class Valueless(Scorer):
    def forward(self, batch: Any) -> Scores:
        return Scores(super().forward(batch).logits)


class Wrong(Scorer):
    def forward(self, batch: Any) -> Scores:
        return Scores(super().forward(batch).logits, torch.zeros(99))


class Broken(Scorer):
    def forward(self, batch: Any) -> Scores:
        raise ZeroDivisionError


class Lost(Network):
    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(torch.nan))

    def forward(self, batch: Any) -> Scores:
        return Scores(self.scale * batch.tables["operations"][:, 0])


def test_a_network_without_values() -> None:
    rollout = collect(Dispatching(), Valueless(), episodes(2), rng())
    assert all(step.values.shape == (0,) for step in rollout.steps)


def test_networks_that_cannot_be_right() -> None:
    with pytest.raises(RunError, match="values for 2 questions"):
        collect(Dispatching(), Wrong(), episodes(2), rng())
    with pytest.raises(RunError, match="scores are not finite"):
        collect(Dispatching(), Lost(), episodes(2), rng())
    with pytest.raises(RunError, match="scores are not finite"):
        evaluate(Dispatching(), Lost(), episodes(2))


def test_one_local_worker_is_this_process(network: Any) -> None:
    before = multiprocessing.active_children()
    with Workers(Dispatching()) as workers:
        alone = workers.collect(network, episodes(3), rng())
        assert multiprocessing.active_children() == before
    assert same(alone, collect(Dispatching(), network, episodes(3), rng()))


def children() -> set[Any]:
    return {child.pid for child in multiprocessing.active_children()}


@pytest.fixture(scope="module")
def two() -> Iterator[Workers]:
    with Workers(Failing(seeds=(3,)), 2) as workers:
        yield workers


def test_workers_stay_and_their_number_alone_decides(network: Any, two: Workers) -> None:
    two.collect(network, [], rng())
    played, before = episodes(5, first=10), children()
    with Workers(Dispatching(), 2) as workers:
        first = workers.collect(network, played, rng(1))
        crew = children() - before
        assert len(crew) == 2
        assert same(first, workers.collect(network, played, rng(1)))
        assert not same(first, workers.collect(network, played, rng(2)))
        with torch.no_grad():
            network.body[0].weight += 1.0
        other = workers.collect(network, played, rng(1))
        assert not same(first, other)  # they have the new weights
        assert np.array_equal(
            workers.evaluate(network, played), evaluate(Dispatching(), network, played)
        )
        short = workers.answers(network, played, rng(1))
        assert short.costs.tolist() == other.costs.tolist()
        assert [r.tolist() for r in short.rows] == [answers_of(other, i) for i in range(5)]
        assert children() - before == crew
    assert children() == before
    assert same(other, two.collect(network, played, rng(1)))


def test_each_worker_plays_its_share_with_its_own_numbers(network: Any, two: Workers) -> None:
    """Worker i of n plays the episodes i, i + n, ... as if it had nothing else to do."""
    played = episodes(5, first=10)
    both = two.collect(network, played, rng(7))
    root = int(rng(7).integers(2**63))
    for i in range(2):
        own = np.random.Generator(np.random.PCG64(np.random.SeedSequence(root, spawn_key=(i,))))
        alone = collect(Dispatching(), network, played[i::2], own)
        assert both.costs[i::2].tolist() == alone.costs.tolist()
        for mine, step in zip(alone.steps, both.steps, strict=False):
            here = step.lanes % 2 == i
            assert step.lanes[here].tolist() == (mine.lanes * 2 + i).tolist()
            assert step.rows[here].tolist() == mine.rows.tolist()
            assert step.log_probs[here].tolist() == mine.log_probs.tolist()
            assert step.batch.size == len(step.lanes)


def test_more_workers_than_episodes(network: Any, two: Workers) -> None:
    assert two.collect(network, episodes(1), rng()).costs.shape == (1,)
    assert two.collect(network, [], rng()).steps == []


def test_an_exception_in_a_worker_names_the_episode(network: Any, two: Workers) -> None:
    two.collect(network, episodes(1), rng())
    crew = children()
    said = "shop/failing in the episode 'taillard-4x3-3', seed 3: ValueError .* no idea"
    with pytest.raises(RunError, match=said):
        two.collect(network, episodes(4), rng())
    assert two.collect(network, episodes(3), rng()).costs.shape == (3,)
    assert children() == crew  # nobody died of it


def test_a_network_that_fails_in_a_worker(two: Workers) -> None:
    with pytest.raises(RunError, match=r"a worker failed: .* inside the policy or simulator"):
        two.collect(Broken(), episodes(2), rng())


def test_a_worker_that_dies_is_reported_and_nothing_hangs(network: Any) -> None:
    said = r"a worker is lost, .* died .*; it played the episodes 'taillard-4x3-1', seed 1"
    with Workers(Failing(seeds=(1,), how="die"), 2) as workers:
        with pytest.raises(RunError, match=said):
            workers.collect(network, episodes(2), rng())
        # They start anew. And one that was killed between two calls:
        before = set(multiprocessing.active_children())
        assert workers.collect(network, episodes(1), rng()).costs.shape == (1,)
        for child in set(multiprocessing.active_children()) - before:
            child.kill()
            child.join()
        with pytest.raises(RunError, match="a worker is lost"):
            workers.collect(network, episodes(1), rng())


def test_a_network_that_no_other_process_can_import(two: Workers) -> None:
    class Local(Scorer):
        pass

    with pytest.raises(UserError, match=r"Define its network at the top level of a file"):
        two.collect(Local(), episodes(1), rng())


def test_what_cannot_be() -> None:
    with pytest.raises(UserError, match="workers must be at least 1, got 0"):
        Workers(Dispatching(), 0)
    with pytest.raises(UserError, match="unknown place to run 'cloud': use 'local' or 'ray'"):
        Workers(Dispatching(), 1, on="cloud")


def test_without_ray_the_message_says_how_to_install_it(
    network: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr("hocket.core.extras.importlib.import_module", absent)
    with pytest.raises(MissingExtra, match=r"pip install 'hocket\[ray\]'"):
        Workers(Dispatching(), 1, on="ray").collect(network, episodes(1), rng())


SCRIPT = """\
import numpy as np
from hocket.learn.workers import Workers
from tests.learn.dispatching import Dispatching, episodes

print("begun")
workers = Workers(Dispatching(), 2)
workers.collect(Dispatching().network(), episodes(2), np.random.default_rng(0))
"""


def test_a_script_without_a_guard_is_told_so_once(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.returncode == 1
    assert done.stderr.count("Traceback") == 1
    assert 'if __name__ == "__main__":' in done.stderr


@pytest.mark.slow
def test_ray_gives_what_local_workers_give(network: Any) -> None:
    pytest.importorskip("ray")
    played = episodes(4)
    with Workers(Dispatching(), 2) as here:
        expected = here.collect(network, played, rng(3))
    with Workers(Dispatching(), 2, on="ray") as there:
        assert same(there.collect(network, played, rng(3)), expected)
        assert same(there.collect(network, played, rng(3)), expected)
        assert np.array_equal(
            there.evaluate(network, played), evaluate(Dispatching(), network, played)
        )
    with (
        Workers(Failing(seeds=(1,), how="die"), 2, on="ray") as dying,
        pytest.raises(RunError, match="a worker is lost"),
    ):
        dying.collect(network, episodes(2), rng())
