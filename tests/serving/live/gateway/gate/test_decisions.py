"""Decisions, their record, and asking the same questions again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hocket.core.errors import IllegalDecision, InputError, UserError
from hocket.core.load import load_policy
from hocket.core.policy import Policy
from hocket.core.streams import Streams
from hocket.serving.live.gateway import decisions
from hocket.serving.live.gateway.decisions import Decider, replay
from hocket.serving.live.gateway.fleet import Fleet
from hocket.serving.live.gateway.prefix import IDS
from hocket.serving.live.gateway.questions import Dispatched, Seen, lines
from hocket.serving.live.gateway.scrape import Gauges
from hocket.serving.policies.dispatch import POLICIES, LeastKv, LeastOutstanding, RoundRobin
from hocket.serving.roles import facts
from hocket.serving.roles.batching import Request
from hocket.serving.roles.cluster import ClusterView, Send
from hocket.serving.roles.policy import DispatchPolicy
from tests.serving.live.gateway.gate.asks import ask

NAMES = ["a", "b", "c"]
POLICIES_ASKED = [
    *(kind.name for kind in POLICIES),
    {"policy": "serving/freeness", "mode": "artifact"},
    {"policy": "serving/infaas", "mode": "artifact"},
    {"policy": "serving/least-outstanding", "unit": "tokens"},
    {"policy": "serving/round-robin", "fewest": True},
    "serving/llumnix",
    "serving/sarathi",
]


class Wild(DispatchPolicy, frozen=True):
    """Reads all there is to read, and is not where it says."""

    name = "tests/wild"
    replica: str = "nowhere"

    def dispatcher(self, fleet: facts.Fleet, streams: Streams) -> Any:
        return self

    def dispatch(self, view: ClusterView, request: Request) -> Send:
        told = 0
        for load in view.loads:
            told += sum(one.prompt + one.generated for one in load.running)
            told += sum(one.prompt for one in load.waiting[-2:]) + len(load.waiting)
            told += load.waiting[-1].prompt if load.waiting else 0
            told += view.outstanding_tokens(load.replica)
        return Send(self.replica, f"{told}")


def played(decider: Decider, count: int, seed: int = 0) -> list[Send]:
    """Decisions for `count` requests, while others get tokens, end, and engines report."""
    rng = Streams(seed)["play"]
    fleet = decider.fleet
    found: list[Send] = []
    under_way: list[str] = []
    for now in range(0, 1000 * count, 1000):
        kind = int(rng.integers(3))
        prefix = tuple(100 * kind + i for i in range(1 + int(rng.integers(4))))
        one = ask(
            f"r{now}",
            prompt=IDS * len(prefix) + int(rng.integers(60)),
            priority=int(rng.integers(-1, 2)),
            prefix=prefix,
            arrival=now,
        )
        names = [name for name in NAMES if rng.random() < 0.8] or NAMES
        send = decider.choose(one, names, now)
        found.append(send)
        fleet.sent(one, send.replica, now)
        under_way.append(one.id)
        for _ in range(3):
            fleet.token(under_way[int(rng.integers(len(under_way)))], now + 1, 7)
        if len(under_way) > 12 or rng.random() < 0.3:
            fleet.done(under_way.pop(int(rng.integers(len(under_way)))), now + 2)
        report(fleet, rng, now + 3)
    return found


def report(fleet: Fleet, rng: np.random.Generator, now: int) -> None:
    running, waiting = (int(number) for number in rng.integers(0, 8, 2))
    gauges = Gauges(engine="vllm", running=running, waiting=waiting, usage=float(rng.random()))
    fleet.scraped(NAMES[int(rng.integers(3))], gauges, now)


def fleet() -> Fleet:
    found = Fleet()
    for name in NAMES:
        found.add(name, blocks=100, block_size=16)
    return found


def decider(policy: Any, record: Path | None = None, seed: int = 5) -> Decider:
    found = policy if isinstance(policy, Policy) else load_policy(policy)
    return Decider(found, fleet(), seed=seed, record=record)


@pytest.mark.parametrize("policy", POLICIES_ASKED, ids=str)
def test_every_policy_decides_again_as_it_did(tmp_path: Path, policy: Any) -> None:
    path = tmp_path / "record.jsonl"
    one = decider(policy, path)
    sends = played(one, 200)
    one.close()
    again = replay(path)
    assert again.identical and again.decisions == 200 and again.first == ""
    assert sends == played(decider(policy), 200)  # recording changes nothing
    assert len({send.replica for send in sends}) == 3


def test_another_seed_is_another_run(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    one = decider("serving/random", path, seed=1)
    played(one, 50)
    one.close()
    text = path.read_text()
    assert '"seed":1' in text
    path.write_text(text.replace('"seed":1', '"seed":2', 1))
    again = replay(path)
    assert not again.identical and again.different > 10
    assert again.first.startswith("r") and " went to " in again.first


def test_another_policy_is_found_out(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    one = decider("serving/least-outstanding", path)
    played(one, 20)
    one.close()
    assert replay(path, LeastOutstanding()).identical
    looked = replay(path, LeastKv())
    assert looked.different == 20 and "looks at loads" in looked.first
    told = replay(path, LeastOutstanding(unit="tokens"))
    assert "looks at the outstanding tokens of " in told.first
    assert replay(path, RoundRobin()).different > 0


def test_a_changed_answer_is_found_out(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    one = decider("serving/cache-aware", path)
    played(one, 10)
    one.close()
    text = path.read_text().splitlines()
    line = json.loads(text[4])
    line["replica"] = "elsewhere"
    path.write_text("\n".join([*text[:4], json.dumps(line), *text[5:]]) + "\n")
    again = replay(path)
    assert again.different == 1
    assert "went to elsewhere" in again.first and line["request"][0] in again.first


def test_what_is_read_is_recorded_and_no_more(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    for policy, most in (("serving/round-robin", 300), ("serving/freeness", 2000)):
        one = decider(policy, path)
        for place in range(1000):
            one.fleet.sent(ask(f"x{place}", prompt=10_000), "a", 1)
        one.choose(ask(), NAMES, 2)
        one.close()
        (found,) = [line for line in lines(path) if isinstance(line, Dispatched)]
        assert len(path.read_text().splitlines()[1]) < most
        if policy == "serving/freeness":  # it looks at the head of the queue
            assert found.loads is not None and found.loads[0][8] == 1000
            assert [request.id for request in found.waiting["a"]] == ["x0"]


def test_whoever_reads_everything_is_repeated_too(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    one = decider(Wild(replica="a"), path)
    for place in range(40):
        one.fleet.sent(ask(f"x{place}", prompt=place), "ab"[place % 2], 1)
        one.fleet.token(f"x{place // 2}", 2)
        one.choose(ask(f"y{place}"), NAMES, 3)
    one.close()
    again = replay(path, Wild(replica="a"))
    assert again.identical and again.decisions == 40
    assert replay(path).identical  # though no domain lists it, its file is known


def test_a_policy_of_the_users_own_is_found_again(tmp_path: Path) -> None:
    rule = tmp_path / "mine.py"
    rule.write_text(
        """from hocket.serving.roles.cluster import Send
from hocket.serving.roles.policy import DispatchPolicy

class Last(DispatchPolicy, frozen=True):
    name = "mine/last"
    place: int = -1
    def dispatcher(self, fleet, streams):
        return self
    def dispatch(self, view, request):
        return Send(view.names[self.place], "as the file says")
"""
    )
    path = tmp_path / "record.jsonl"
    one = Decider(load_policy(str(rule), place=0), fleet(), record=path)
    assert {send.replica for send in played(one, 20)} >= {"a"}
    one.close()
    again = replay(path)
    assert again.identical and again.policy == "mine/last(place=0)"


def test_an_illegal_decision_names_the_policy_and_is_recorded(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    one = decider(Wild(), path)
    with pytest.raises(
        IllegalDecision, match=r"tests/wild decided to send r to 'nowhere' at time 7"
    ):
        one.choose(ask(), NAMES, 7)
    one.close()
    (line,) = [line for line in lines(path) if isinstance(line, Dispatched)]
    assert line.illegal and line.replica == "nowhere"
    with pytest.raises(IllegalDecision, match="none of those that can take it: a, b"):
        decider(Wild(replica="c")).choose(ask(), ["a", "b"], 7)


def test_policies_of_other_problems_are_refused() -> None:
    with pytest.raises(UserError, match="shop/spt dispatches no requests"):
        decider("shop/spt")


def test_a_record_needs_a_place(tmp_path: Path) -> None:
    with pytest.raises(UserError):
        decider("serving/random", tmp_path / "no such folder" / "record.jsonl")
    with pytest.raises(UserError):
        decider("serving/random", tmp_path)


def test_a_record_that_was_cut_short_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    one = decider("serving/power-of-two", path)
    played(one, 10)
    one.flush()
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    assert replay(path).decisions == 9
    one.close()
    one.close()


def test_a_record_that_has_grown_too_long_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decisions, "LONGEST", 3000)
    path = tmp_path / "record.jsonl"
    one = decider("serving/power-of-two", path)
    assert len(played(one, 100)) == 100
    assert 2000 < path.stat().st_size <= 3000
    again = replay(path)
    assert again.identical and 5 < again.decisions < 100


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: text[1:], "does not begin with a policy"),
        (lambda text: [text[0], text[0]], "begins a second time"),
        (lambda text: [*text[:2], "{}", *text[2:]], "line 3"),
        (lambda text: [*text[:2], "\x00", *text[2:]], "line 3"),
        (lambda text: [text[0], text[1].replace('"both",', "", 1)], "line 2"),
        (lambda text: [text[0].replace("least-kv", "least-kw")], "least-kw"),
    ],
)
def test_files_that_are_no_records(tmp_path: Path, change: Any, told: str) -> None:
    path = tmp_path / "record.jsonl"
    one = decider("serving/least-kv", path)
    played(one, 3)
    one.close()
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")
    with pytest.raises(UserError, match=told):
        replay(path)


def test_missing_and_empty_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        replay(tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(InputError, match="does not begin with a policy"):
        replay(tmp_path / "empty.jsonl")


def test_lists_of_requests_answer_as_lists_do() -> None:
    one = fleet()
    for place in range(12):
        one.sent(ask(f"x{place}"), "a", 1)
    (load,) = one.view(["a"], 2).loads
    (seen,) = Seen(one.view(["a"], 2)).loads
    plain = list(load.waiting)
    assert list(seen.waiting) == plain
    assert (seen.waiting[3], seen.waiting[-1], seen.waiting[2:5]) == (
        plain[3],
        plain[-1],
        plain[2:5],
    )
    assert len(seen.waiting) == 12 and plain[4] in seen.waiting
    with pytest.raises(IndexError):
        seen.waiting[12]
    assert list(seen.running) == []
