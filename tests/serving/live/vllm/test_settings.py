"""Settings: from where, how strictly, and what is told about wrong ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hocket.core.errors import InputError, UserError
from hocket.serving.budget import token_budget
from hocket.serving.cost.linear import Linear
from hocket.serving.live.vllm.settings import (
    VARIABLE,
    Settings,
    cost_of,
    described,
    policy_of,
    prepare,
    read,
)
from hocket.serving.roles.facts import Engine, Targets

ENGINE = Engine(name="replica-0", block_size=32, blocks=100, max_context=512)
LINEAR = {"kind": "linear", "base": 0.01, "per_token": 1e-4, "per_decode": 1e-5}

OWN_POLICY = """
from typing import ClassVar

from hocket.serving.roles.batching import FirstComeFirstServed, Limits
from hocket.serving.roles.policy import BatchingPolicy


class Last(FirstComeFirstServed):
    def rank(self, request):
        return -request.arrival


class LastFirst(BatchingPolicy, frozen=True):
    name: ClassVar[str] = "mine/last-first"
    seqs: int = 3

    def batcher(self, engine, streams):
        return Last(Limits(seqs=self.seqs))
"""


def problems(settings: Settings, engine: Engine = ENGINE) -> dict[str, str]:
    with pytest.raises(InputError) as caught:
        prepare(settings, engine)
    return {problem.path: problem.message for problem in caught.value.problems}


# From where.


def test_without_settings_the_engine_is_run_as_vllm_runs_it() -> None:
    assert read({}, {}) == read(None, {}) == Settings()
    assert Settings().policy == "serving/vllm-v1"


def test_from_additional_config() -> None:
    found = read({"hocket": {"policy": "serving/orca", "seed": 3}, "other": 1}, {})
    assert (found.policy, found.seed) == ("serving/orca", 3)


@pytest.mark.parametrize(
    "text", ['{"policy": "serving/orca", "seed": 3}', "{policy: serving/orca, seed: 3}"]
)
def test_from_the_environment(text: str) -> None:
    found = read({}, {VARIABLE: f"  {text} "})
    assert (found.policy, found.seed) == ("serving/orca", 3)


def test_a_file_speaks_of_files_beside_it(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(OWN_POLICY)
    (tmp_path / "cost.yaml").write_text(json.dumps({"cost": LINEAR}))
    file = tmp_path / "live.yaml"
    file.write_text("policy: mine.py\ncost: cost.yaml\nrecord: run.jsonl\ntargets: {gap: 0.1}\n")
    found = read({}, {VARIABLE: str(file)})
    assert found.policy == str(tmp_path / "mine.py")
    assert found.record == str(tmp_path / "run.jsonl")
    assert found.targets == Targets(gap=0.1)
    made = prepare(found, ENGINE)
    assert made.policy.name == "mine/last-first"
    assert made.batcher.limits.seqs == 3
    assert made.engine.cost is not None


def test_names_of_policies_stay_names(tmp_path: Path) -> None:
    file = tmp_path / "live.json"
    file.write_text('{"policy": "serving/orca"}')
    assert read({}, {VARIABLE: str(file)}).policy == "serving/orca"


def test_given_twice_is_refused() -> None:
    with pytest.raises(UserError, match="given twice"):
        read({"hocket": {}}, {VARIABLE: "{}"})


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.yaml"):
        read({}, {VARIABLE: str(tmp_path / "nowhere.yaml")})


# How strictly.


def test_all_that_is_wrong_is_told_at_once() -> None:
    wrong = {"polcy": "serving/orca", "seed": -1, "record": 3, "targets": {"ttft": "soon"}}
    with pytest.raises(InputError) as caught:
        read({"hocket": wrong}, {})
    told = {problem.path for problem in caught.value.problems}
    assert told == {"polcy", "seed", "record", "targets.ttft"}
    assert "'policy'" in str(caught.value)


@pytest.mark.parametrize("wrong", ["serving/orca", ["policy"], 3, True])
def test_what_is_no_mapping_is_refused(wrong: Any) -> None:
    with pytest.raises(InputError, match="expected settings such as"):
        read({"hocket": wrong}, {})


def test_seeds_beyond_the_streams_are_refused() -> None:
    with pytest.raises(InputError, match=r"2\^128"):
        read({"hocket": {"seed": 2**128}}, {})


# What is made of them.


def test_problems_of_policy_cost_and_record_are_told_together(tmp_path: Path) -> None:
    found = problems(
        Settings(
            policy="serving/vlm-v1",
            cost=str(tmp_path / "none.yaml"),
            record=str(tmp_path / "no" / "folder" / "run.jsonl"),
        )
    )
    assert set(found) == {"policy", "cost", "record"}
    assert "serving/vllm-v1" in found["policy"]


@pytest.mark.parametrize("name", ["serving/clairvoyant", "serving/mc-sf"])
def test_oracles_are_refused(name: str) -> None:
    assert "no real engine reveals" in problems(Settings(policy=name))["policy"]


@pytest.mark.parametrize("name", ["serving/round-robin", "serving/llumnix-migration", "shop/spt"])
def test_policies_that_do_not_batch_are_refused(name: str) -> None:
    assert "does not compose iterations" in problems(Settings(policy=name))["policy"]


def test_fields_of_a_policy_are_checked() -> None:
    wrong = {"policy": "serving/past-future", "windw": 3}
    assert "window" in problems(Settings(policy=wrong))["policy"]


def test_a_calibrated_cost_chooses_the_budget() -> None:
    auto = {"policy": "serving/sarathi", "tokens": "auto"}
    assert "tokens: auto needs" in problems(Settings(policy=auto, cost=LINEAR))["policy"]
    assert (
        "tokens: auto needs" in problems(Settings(policy=auto, targets=Targets(gap=0.05)))["policy"]
    )
    made = prepare(Settings(policy=auto, cost=LINEAR, targets=Targets(gap=0.05)), ENGINE)
    model = msgspec.convert(LINEAR, Linear).model(None)  # type: ignore[arg-type]  # it asks for none
    assert made.batcher.limits.tokens == token_budget(model, 0.05) == 384


def test_a_cost_that_is_none_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "cost.yaml"
    file.write_text("errors: []")
    with pytest.raises(UserError, match="no cost model"):
        cost_of(str(file), ENGINE)
    with pytest.raises(UserError, match="no cost model 'guess'"):
        cost_of({"kind": "guess"}, ENGINE)
    assert cost_of("", ENGINE) is None


def test_the_same_seed_and_name_give_the_same_random_numbers() -> None:
    from hocket.serving.roles.batching import Request

    def answers(name: str, seed: int) -> list[str]:
        made = prepare(
            Settings(policy={"policy": "serving/past-future", "first": 50}, seed=seed),
            msgspec.structs.replace(ENGINE, name=name),
        )
        for length in range(1, 41):
            made.batcher.finished(Request("x", 0, 10, generated=length))
        running = tuple(Request(f"r{i}", 0, 100, 100 + i, 1 + i, limit=400) for i in range(20))
        told = []
        for free in range(0, 100, 7):
            view = _View(running, free)
            told.append(made.batcher.admits(view, Request("new", 0, 100, limit=400)))
        return told

    assert answers("a", 1) == answers("a", 1)
    assert answers("a", 1) != answers("a", 2)
    assert answers("a", 1) != answers("b", 1)


class _View:
    now, block_size, blocks = 0, 32, 100
    waiting = ()

    def __init__(self, running: Any, free: int) -> None:
        self.running, self.free, self.iteration = running, free, free


def test_a_policy_is_described_so_that_it_can_be_run_again(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(OWN_POLICY)
    for given in ("serving/sarathi", str(file), {"policy": str(file), "seqs": 7}):
        made = prepare(Settings(policy=given), ENGINE)
        assert policy_of(described(made)) == made.policy
