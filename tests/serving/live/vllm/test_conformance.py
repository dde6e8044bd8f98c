"""The simulator and vLLM compose the same iterations: policy by policy, with and without a model.

The fixed runs go through the whole engine, with a small model on the CPU; the random ones through
vLLM's scheduler and memory manager alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("vllm")

from hocket.cli import main
from hocket.core.errors import Deadlock, UserError
from hocket.core.load import load_policy
from hocket.serving.cost.constant import Constant
from hocket.serving.cost.linear import Linear
from hocket.serving.live.vllm.drive import Clock, drive
from hocket.serving.live.vllm.fresh import Settings as Arguments
from hocket.serving.live.vllm.inprocess import Bare
from hocket.serving.live.vllm.memory import Memory
from hocket.serving.live.vllm.prompts import asks
from hocket.serving.live.vllm.tiny import tiny_model
from hocket.serving.model.cluster import Cluster, Pool, Slo
from hocket.serving.roles.policy import ServingPolicy
from hocket.serving.simulate.plain_compose import Composer
from hocket.serving.workload.trace import Trace
from hocket.testing import DecisionError, LiveError, check_live
from hocket.testing.live import Bench

USERS = '''
from typing import ClassVar

from hocket.serving.roles.batching import FirstComeFirstServed, Limits
from hocket.serving.roles.policy import BatchingPolicy


class Crowd(BatchingPolicy, frozen=True):
    """The largest prompt first, at most so many tokens at a time; the smallest gives way."""

    name: ClassVar[str] = "crowd"
    share: float = 0.7

    def batcher(self, engine, streams):
        return Batcher(self.share, streams["dice"])


class Batcher(FirstComeFirstServed):
    def __init__(self, share, dice):
        super().__init__(Limits(tokens=64, seqs=5, stubborn=False))
        self.share, self.dice, self.done = share, dice, 0

    def rank(self, request):
        return (-request.prompt, request.arrival)

    def admits(self, view, request):
        if not view.running:
            return ""
        held = sum(one.computed for one in view.running) + request.prompt - request.cached
        if held > self.share * view.blocks * view.block_size:
            return "crowded"
        return "" if self.dice.random() < 0.8 or self.done % 3 else "unlucky"

    def victim(self, view, needy):
        return min(view.running, key=lambda one: (one.computed, one.id)).id

    def finished(self, request):
        self.done += 1
'''


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy file such as a user writes."""
    path = tmp_path_factory.mktemp("users") / "crowd.py"
    path.write_text(USERS, encoding="utf-8")
    return path


POLICIES: dict[str, Any] = {
    "vllm-v1": {"policy": "serving/vllm-v1", "tokens": 64, "seqs": 6},
    "vllm-v1-not-whole": {"policy": "serving/vllm-v1", "tokens": 48, "seqs": 16, "whole": False},
    "vllm-v0": {"policy": "serving/vllm-v0", "tokens": 128, "seqs": 6, "watermark": 0.1},
    "sarathi": {"policy": "serving/sarathi", "tokens": 64, "seqs": 8},
    "sarathi-auto": {"policy": "serving/sarathi", "tokens": "auto", "seqs": 8},
    "sarathi-apart": {"policy": "serving/sarathi", "tokens": 64, "seqs": 8, "mixed": False},
    "past-future": {"policy": "serving/past-future", "tokens": 300, "every": 2, "first": 8},
    "conservative": {"policy": "serving/conservative", "tokens": 300, "every": 3},
    "aggressive": {"policy": "serving/aggressive", "tokens": 300, "every": 2, "batch": 2},
    "priority": {"policy": "serving/priority", "tokens": 64, "seqs": 6},
    "priority-urgent": {"policy": "serving/priority", "tokens": 64, "seqs": 6, "urgent": True},
    "sjf": {"policy": "serving/sjf", "tokens": 64, "seqs": 6},
    "orca": {"policy": "serving/orca", "seqs": 4},
    "fastertransformer": {"policy": "serving/fastertransformer", "seqs": 4},
    "users": {},
}

WITHOUT_CACHE = ("priority-urgent",)
"""Who gives way to one that waits is settled before vLLM looks into the prefix cache anew."""

each_policy = pytest.mark.parametrize("name", POLICIES)


def policy_of(name: str, users: Path) -> ServingPolicy:
    found = load_policy(POLICIES[name] or str(users))
    assert isinstance(found, ServingPolicy)
    return found


def cluster(*, blocks: int, cached: bool = False, longest: int = 0, **columns: Any) -> Cluster:
    """A run on one replica with blocks of 32 tokens; an answer is as long as its limit or less."""
    count = len(columns["prompt"])
    columns.setdefault("names", tuple(f"r{i:02d}" for i in range(count)))
    columns.setdefault("limit", columns["output"])
    pool = Pool(
        kv_blocks=blocks,
        block_size=32,
        max_context=longest or blocks * 32,
        prefix_cache=cached,
        cost=Linear(base=2e-4, per_token=2e-5, per_decode=5e-5),
    )
    trace = Trace(prefix_block=32, **columns)
    return Cluster(workload=trace, pools=(pool,), slo=Slo(gap=20_000), gauge_every=0)


CHUNKED = cluster(
    blocks=64,
    arrival=(0, 0, 100, 900, 5_000, 5_000),
    prompt=(200, 31, 150, 97, 64, 129),
    output=(9, 40, 3, 17, 1, 33),
    limit=(9, 64, 64, 17, 1, 33),
)
TIGHT = cluster(
    blocks=9,
    longest=224,
    arrival=(0, 0, 0, 0, 2_000, 4_000, 30_000),
    prompt=(31, 32, 40, 64, 90, 12, 100),
    output=(70, 60, 50, 33, 40, 80, 64),
)
FAMILY = ((1, 2, 3), (1, 2), (1, 2, 3, 4), (5,), (1, 2, 3), (1, 6, 7), (1, 2, 3, 4))
SHARED = cluster(
    blocks=13,
    longest=320,
    cached=True,
    arrival=(0, 3_000, 3_000, 9_000, 20_000, 40_000, 90_000),
    prompt=(96, 70, 128, 60, 97, 110, 140),
    output=(40, 20, 33, 64, 5, 40, 30),
    prefix=FAMILY,
)
APART = msgspec.structs.replace(
    SHARED, pools=(msgspec.structs.replace(SHARED.pools[0], prefix_cache=False),)
)
URGENT = cluster(
    blocks=9,
    longest=200,
    arrival=(0, 0, 1_000, 2_000, 3_000, 8_000, 12_000, 12_000),
    prompt=(60, 33, 64, 20, 90, 31, 64, 12),
    output=(40, 60, 30, 50, 20, 60, 8, 40),
    priority=(1, 0, 2, -1, 0, -2, 3, -1),
    tenant=("a", "b", "a", "b", "a", "b", "a", "a"),
    expected=(40, 10, 90, 0, 20, 60, 0, 1),
)
LEAVING = cluster(
    blocks=10,
    cached=True,
    longest=256,
    arrival=(0, 0, 500, 2_000, 3_000, 3_000, 9_000, 30_000),
    prompt=(96, 40, 128, 60, 64, 31, 100, 96),
    output=(60, 60, 60, 60, 60, 60, 60, 60),
    cancel=(9_100, -1, 4_030, 0, 1, 20_000, -1, 3_000),
    prefix=((1, 2, 3), (), (1, 2, 3, 4), (), (1, 2), (), (1, 2, 3), (1, 2, 3)),
)
RUNS = {
    "chunked": CHUNKED,
    "tight": TIGHT,
    "shared": SHARED,
    "apart": APART,
    "urgent": URGENT,
    "leaving": LEAVING,
}


@each_policy
def test_the_whole_engine_composes_as_the_simulator(name: str, users: Path) -> None:
    bench = Bench(policy_of(name, users), model="tiny")
    for run in RUNS.values():
        bench.check(run)
    counts = bench.counts
    assert (counts["runs"], counts["cancels"]) == (len(RUNS), 6)
    assert counts["iterations"] > 500
    assert counts["cached"] > 0
    reserving = name in ("orca", "fastertransformer", "conservative")
    assert (counts["preempted"] == 0) == reserving
    if load_policy(POLICIES[name] or str(users)).name in ("serving/vllm-v1", "crowd"):
        assert counts["chunks"] > 5


@pytest.mark.parametrize("name", ["vllm-v1", "priority"])
def test_vllms_own_scheduler_with_a_model_composes_as_the_simulator(name: str, users: Path) -> None:
    bench = Bench(policy_of(name, users), stock=True, model="tiny")
    runs = list(RUNS.values())
    if name == "priority":
        # vLLM breaks ties by name, and keeps blocks of a victim that were never computed.
        runs = [_spread(run) for run in runs if not run.pools[0].prefix_cache]
    for run in runs:
        bench.check(run)
    assert bench.counts["runs"] == len(runs)
    assert bench.counts["preempted"] > 3


def _spread(run: Cluster) -> Cluster:
    """The same with no two arrivals at one tick."""
    trace = run.workload
    assert isinstance(trace, Trace)
    apart = tuple(tick + row for row, tick in enumerate(trace.arrival))
    return msgspec.structs.replace(run, workload=msgspec.structs.replace(trace, arrival=apart))


@pytest.mark.parametrize("name", ["vllm-v1", "vllm-v1-default", "priority", "priority-default"])
def test_vllms_own_scheduler_composes_random_runs_as_the_simulator(name: str, users: Path) -> None:
    plain = {"policy": f"serving/{name.removesuffix('-default')}"}
    policy = load_policy(POLICIES.get(name, plain))
    assert check_live(policy, stock=True, cases=250, seed=5)


@each_policy
def test_random_runs_are_composed_as_by_the_simulator(name: str, users: Path) -> None:
    bench = Bench(policy_of(name, users), seed=1)
    for run in bench.draw(120):
        bench.check(_uncached(run) if name in WITHOUT_CACHE else run, smaller=True)
    assert bench.counts["runs"] == 120
    assert bench.counts["iterations"] > 3_000


def _uncached(run: Cluster) -> Cluster:
    pool = msgspec.structs.replace(run.pools[0], prefix_cache=False)
    return msgspec.structs.replace(run, pools=(pool,))


@st.composite
def runs(draw: st.DrawFn) -> Cluster:
    """Small runs, which Hypothesis makes smaller when it finds a difference."""
    size = draw(st.sampled_from([2, 4, 16]))
    longest = draw(st.integers(2, 12)) * size
    blocks = draw(st.integers(longest // size, 2 * longest // size))
    cached = draw(st.booleans())
    lengths = st.integers(1, longest - 1)
    rows = draw(
        st.lists(
            st.fixed_dictionaries(
                {
                    "gap": st.sampled_from([0, 0, 1, 300, 1_000, 5_000]),
                    "prompt": lengths,
                    "limit": st.integers(1, longest),
                    "short": st.integers(0, 9),
                    "priority": st.integers(-1, 1),
                    "tenant": st.sampled_from(["a", "b"]),
                    "expected": st.integers(0, 20),
                    "cancel": st.sampled_from([-1, -1, -1, 0, 1_000, 1_500, 7_777]),
                    "path": st.lists(st.booleans(), max_size=longest // size),
                }
            ),
            min_size=1,
            max_size=9,
        )
    )
    arrival, now = [], 0
    for row in rows:
        now += row["gap"]
        arrival.append(now)
    trace = Trace(
        arrival=tuple(arrival),
        prompt=tuple(row["prompt"] for row in rows),
        output=tuple(max(1, row["limit"] - row["short"]) for row in rows),
        limit=tuple(row["limit"] for row in rows),
        prefix=tuple(_beginning(row["path"][: row["prompt"] // size]) for row in rows),
        prefix_block=size,
        names=tuple(f"r{i}" for i in range(len(rows))),
        **{
            column: tuple(row[column] for row in rows)
            for column in ("priority", "tenant", "expected", "cancel")
        },
    )
    pool = Pool(
        kv_blocks=blocks,
        block_size=size,
        max_context=longest,
        prefix_cache=cached,
        cost=Constant(seconds=1e-3),
    )
    return Cluster(workload=trace, pools=(pool,), slo=Slo(gap=20_000), gauge_every=0)


def _beginning(path: list[bool]) -> tuple[int, ...]:
    """The ids on a path through a tree, which each say what is before them, too."""
    ids, node = [], 1
    for branch in path:
        node = 2 * node + branch
        ids.append(node)
    return tuple(ids)


@each_policy
@settings(max_examples=40)
@given(data=st.data())
def test_any_run_is_composed_as_by_the_simulator(
    name: str, users: Path, data: st.DataObject
) -> None:
    policy = policy_of(name, users)
    if "tokens" in policy.__struct_fields__ and policy.tokens != "auto":
        tokens = data.draw(st.integers(1, 40), label="tokens")
        policy = msgspec.structs.replace(policy, tokens=tokens)
    seqs = data.draw(st.integers(1, 5), label="seqs")
    if "seqs" in policy.__struct_fields__:
        policy = msgspec.structs.replace(policy, seqs=seqs)
    run = data.draw(runs(), label="run")
    Bench(policy, seed=3).check(_uncached(run) if name in WITHOUT_CACHE else run)


# A difference is found, and told.


def test_a_wrong_simulator_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Composer, "blocks", lambda self, tokens: tokens // self.pool.block_size + 1)
    with pytest.raises(LiveError, match="is the first that differs") as caught:
        check_live("serving/vllm-v1", cases=60)
    text = str(caught.value)
    assert "* free" in text
    assert "simulator" in text
    assert len(text.partition("request  arrival")[2].splitlines()) <= 3  # one or two requests


def test_an_engine_that_was_started_with_another_budget_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = Bench._settings

    def fewer(self: Bench, scenario: Cluster) -> Arguments:
        found = plain(self, scenario)
        return msgspec.structs.replace(found, tokens=found.tokens - 1)

    monkeypatch.setattr(Bench, "_settings", fewer)
    policy = load_policy({"policy": "serving/vllm-v1", "tokens": 32, "seqs": 8})
    with pytest.raises(LiveError) as caught:
        check_live(policy, stock=True, scenario=CHUNKED)
    text = str(caught.value)
    assert "iteration 0 is the first that differs" in text
    assert "r00=32" in text
    assert "r00=31" in text


def test_an_engine_that_fails_is_told_with_its_message(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Bare.compose

    def lost(self: Bare, now: int) -> Any:
        if now > 3_000:
            raise RuntimeError("lost a block")
        return plain(self, now)

    monkeypatch.setattr(Bare, "compose", lost)
    with pytest.raises(LiveError, match="RuntimeError: lost a block"):
        check_live("serving/vllm-v1", scenario=TIGHT)


def test_a_policy_that_fails_is_told_by_name(tmp_path: Path) -> None:
    path = tmp_path / "fails.py"
    lines = USERS.replace('return "crowded"', 'raise ValueError("too crowded for me")')
    path.write_text(lines, encoding="utf-8")
    with pytest.raises(DecisionError, match=r"crowd fails on .* ValueError: too crowded for me"):
        check_live(str(path), cases=20)


REUSED = Cluster(
    workload=Trace(
        arrival=(0,) * 6,
        prompt=(27, 63, 64, 53, 20, 63),
        output=(18, 4, 15, 22, 10, 3),
        limit=(18, 58, 15, 56, 43, 47),
        priority=(-2, 0, -1, -2, -1, 0),
        names=tuple("abcdef"),
    ),
    pools=(
        Pool(
            kv_blocks=6,
            block_size=64,
            max_context=255,
            prefix_cache=True,
            cost=Linear(base=2e-4, per_token=2e-5, per_decode=5e-5, per_context=1e-7),
        ),
    ),
    gauge_every=0,
)
"""A cached block is given up for one that runs just before another one gives way."""


def test_memory_goes_to_those_in_the_iteration_before_anybody_gives_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    policy = load_policy(POLICIES["priority"])
    assert check_live(policy, scenario=REUSED)
    monkeypatch.setattr(Memory, "next", lambda self, blocks: [])
    with pytest.raises(LiveError, match=r"b=1|f=1"):
        check_live(policy, scenario=REUSED)


# The driver.


def test_an_engine_alone_with_one_request_takes_the_iterations_that_it_must() -> None:
    run = cluster(blocks=9, arrival=(700,), prompt=(100,), output=(5,))
    clock = Clock(Constant(seconds=1e-3).model(run.pools[0]), 1e6)
    found = drive(Bare(Arguments(blocks=9, tokens=32)), asks(run), clock)
    assert [step.tokens["r00"] for step in found] == [32, 32, 32, 4, 1, 1, 1, 1]
    assert [step.time for step in found] == [700 + 1_000 * n for n in range(8)]
    assert [step.free for step in found] == [8, 7, 6, 5, 5, 5, 5, 5]


def test_an_answer_may_be_shorter_than_its_limit() -> None:
    run = cluster(blocks=9, arrival=(0,), prompt=(10,), output=(3,), limit=(90,))
    clock = Clock(Constant().model(run.pools[0]), 1e6)
    assert len(drive(Bare(Arguments(blocks=9)), asks(run), clock)) == 3


def test_who_comes_and_goes_during_one_iteration_is_never_seen() -> None:
    run = cluster(
        blocks=9, arrival=(0, 10), prompt=(10, 10), output=(2, 9), cancel=(-1, 20), limit=(2, 9)
    )
    clock = Clock(Constant(seconds=1e-3).model(run.pools[0]), 1e6)
    found = drive(Bare(Arguments(blocks=9)), asks(run), clock)
    assert [tuple(step.tokens) for step in found] == [("r00",), ("r00",)]


def test_an_engine_that_lets_nobody_in_is_given_up() -> None:
    run = cluster(blocks=9, longest=200, arrival=(0,), prompt=(150,), output=(2,))
    clock = Clock(Constant().model(run.pools[0]), 1e6)
    with pytest.raises(Deadlock, match="waiting for ever"):
        drive(Bare(Arguments(blocks=3, max_context=200)), asks(run), clock)


# What cannot be compared is refused.


@pytest.mark.parametrize(
    ("policy", "changes", "why"),
    [
        ("serving/vllm-v1", {"engine": "sglang"}, "is not known here"),
        ("serving/past-future", {"stock": True}, "has no serving/past-future"),
        ("serving/round-robin", {}, "no batching policy"),
        ("serving/clairvoyant", {}, "no real engine reveals"),
    ],
)
def test_what_no_engine_can_do_is_refused(policy: str, changes: dict[str, Any], why: str) -> None:
    with pytest.raises(UserError, match=why):
        check_live(policy, cases=2, **changes)


@pytest.mark.parametrize(
    ("pool", "why"),
    [
        (Pool(kv_blocks=9, block_size=16, max_context=64), "blocks of 16"),
        (Pool(kv_blocks=257, block_size=32, max_context=64), "a run with 257 blocks"),
        (Pool(kv_blocks=200, block_size=32, max_context=6000), "6000 at most"),
    ],
    ids=["size", "blocks", "context"],
)
def test_a_run_for_which_the_engine_is_too_small_is_refused(pool: Pool, why: str) -> None:
    run = msgspec.structs.replace(CHUNKED, pools=(pool,))
    with pytest.raises(UserError, match=why):
        check_live(scenario=run, model="tiny")


def test_a_run_for_which_the_model_knows_too_few_tokens_is_refused() -> None:
    beginnings = tuple(tuple(range(row * 3000, row * 3000 + 3000)) for row in range(3))
    run = cluster(blocks=128, arrival=(0,) * 3, prompt=(3000,) * 3, output=(1,) * 3)
    trace = msgspec.structs.replace(run.workload, prefix=beginnings, prefix_block=1)
    with pytest.raises(UserError, match="knows 8192 tokens"):
        check_live(scenario=msgspec.structs.replace(run, workload=trace), model="tiny")


@pytest.mark.parametrize(
    "changes",
    [{"pools": (Pool(kv_blocks=9), Pool(name="b", kv_blocks=9))}, {"time_unit": "ms"}],
    ids=["pools", "unit"],
)
def test_a_scenario_that_one_engine_cannot_play_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="cannot be compared"):
        check_live(scenario=msgspec.structs.replace(CHUNKED, **changes))


def test_the_command_tells_and_fails_by_its_exit_code(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["live", "check", "--policy", "serving/vllm-v1", "--json", "--cases"]
    assert main([*command, "5", "--set", "tokens=64"]) == 0
    found = msgspec.json.decode(capsys.readouterr().out)
    assert found["equal"] is True
    assert found["checks"][0].startswith("iterations: ")
    monkeypatch.setattr(Composer, "blocks", lambda self, tokens: tokens // self.pool.block_size + 1)
    assert main([*command, "60"]) == 1
    assert "is the first that differs" in msgspec.json.decode(capsys.readouterr().out)["mismatch"]


def test_the_tiny_tokenizer_has_a_token_for_every_byte(tmp_path: Path) -> None:
    from tokenizers import Tokenizer

    made = Tokenizer.from_file(str(tiny_model(tmp_path, vocab=300) / "tokenizer.json"))
    assert made.get_vocab_size() == 300
    for text in ("hello wörld", " two  spaces", "日本\n"):
        ids = made.encode(text).ids
        assert len(ids) == len(text.encode())
        assert made.decode(ids) == text
    assert made.decode([298, 299]).strip() == "w39 w40"
