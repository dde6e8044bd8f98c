"""What policies are shown of the backends: reports and own counts, joined."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.core.streams import Streams
from hocket.serving.freeness import block_load, freeness
from hocket.serving.live.gateway.fleet import (
    BLOCK_SIZE,
    BLOCKS,
    MEAN_PROMPT,
    STALE,
    UNLIMITED,
    Fleet,
)
from hocket.serving.live.gateway.prefix import BYTES, IDS
from hocket.serving.live.gateway.scrape import Gauges
from hocket.serving.policies.dispatch import Freeness
from hocket.serving.policies.llumnix import choose
from hocket.serving.roles import facts
from hocket.serving.roles.cluster import Load
from tests.serving.live.gateway.gate.asks import ask


def gauges(running: int = 0, waiting: int = 0, usage: float | None = None, **more: Any) -> Gauges:
    return Gauges(engine="vllm", running=running, waiting=waiting, usage=usage, **more)


def fleet(*names: str, **fields: Any) -> Fleet:
    found = Fleet()
    for name in names or ("a",):
        found.add(name, **({"blocks": 100, "block_size": 10} | fields))
    return found


def load(found: Fleet, name: str = "a", now: int = 0) -> Load:
    (one,) = found.view([name], now).loads
    return one


def ids(load: Load) -> tuple[list[str], list[str]]:
    return [r.id for r in load.running], [r.id for r in load.waiting]


def test_where_nothing_is_published_own_counts_are_all_there_is() -> None:
    found = fleet(blocks=0, block_size=0)
    one = load(found, now=7)
    assert (one.blocks, one.block_size, one.free, one.time) == (BLOCKS, BLOCK_SIZE, BLOCKS, 7)
    found.sent(ask("x", prompt=33, limit=0, priority=-1, expected=9, arrival=5), "a", 8)
    one = load(found, now=9)
    assert (len(one.running), len(one.waiting), one.free, one.dispatched) == (0, 1, BLOCKS, 1)
    (waits,) = one.waiting
    assert (waits.arrival, waits.prompt, waits.limit) == (5, 33, UNLIMITED)
    assert (waits.priority, waits.tenant, waits.expected) == (-1, "t", 9)
    found.token("x", 10)
    one = load(found, now=11)
    assert (len(one.running), len(one.waiting), one.urgent) == (1, 0, 1)
    assert one.free == BLOCKS - 3  # 34 tokens in blocks of 16
    assert (one.running[0].generated, one.running[0].computed) == (1, 33)
    found.token("x", 12, count=15)
    assert load(found).free == BLOCKS - 4  # 49 tokens
    found.done("x", 13)
    found.done("x", 14)
    found.token("x", 15)
    one = load(found)
    assert (len(one.running), one.free, one.urgent, one.dispatched) == (0, BLOCKS, 0, 1)
    assert found.outstanding("a") == found.view(["a"], 0).outstanding_tokens("a") == 0


def test_a_report_changes_memory_and_what_happens_after_it_changes_it_further() -> None:
    found = fleet(blocks=0, block_size=0)
    found.sent(ask("x", prompt=40), "a", 1)
    found.token("x", 2)
    found.scraped("a", gauges(1, 0, 0.25, blocks=200, block_size=10), 3)
    one = load(found, now=99)
    assert (one.blocks, one.block_size, one.free, one.time) == (200, 10, 150, 3)
    found.token("x", 4, count=8)  # 49 tokens: still 5 blocks
    assert load(found).free == 150
    found.token("x", 5, count=2)
    assert load(found).free == 149
    found.sent(ask("y", prompt=95), "a", 6)
    assert load(found).free == 149  # nothing is taken while it waits
    found.token("y", 7)
    assert load(found).free == 139
    found.done("x", 8)
    assert load(found).free == 145
    found.scraped("a", gauges(1, 0, 0.5), 9)
    assert load(found).free == 100


def test_a_report_that_is_too_old_counts_no_more() -> None:
    found = fleet()
    found.sent(ask("x", prompt=100), "a", 1)
    found.token("x", 2)
    found.scraped("a", gauges(3, 1, 0.75), 10)
    one = load(found, now=10 + STALE)
    assert (len(one.running), len(one.waiting), one.free) == (3, 1, 25)
    one = load(found, now=11 + STALE)
    assert (len(one.running), len(one.waiting), one.free, one.time) == (1, 0, 89, 10)
    found.scraped("a", gauges(1, 0, 0.5), 12 + STALE)
    assert load(found, now=13 + STALE).free == 50


def test_memory_never_leaves_its_bounds() -> None:
    found = fleet()
    found.scraped("a", gauges(0, 0, 1.0), 1)
    found.sent(ask("x", prompt=5000), "a", 2)
    found.token("x", 3)
    assert load(found).free == 0
    found.scraped("a", gauges(1, 0, 0.0), 4)
    found.done("x", 5)
    assert load(found).free == 100


def test_the_engine_knows_how_many_wait_and_the_gateway_which() -> None:
    found = fleet()
    for place, name in enumerate("uvwxyz"):
        found.sent(ask(name), "a", place)
    found.token("v", 8)
    assert ids(load(found)) == (["v"], list("uwxyz"))
    found.scraped("a", gauges(running=4, waiting=2), 9)  # so the oldest are in their prefill
    assert ids(load(found)) == (["v", "u", "w", "x"], ["y", "z"])
    found.sent(ask("late"), "a", 12)
    found.scraped("a", gauges(running=6, waiting=0), 11)  # asked for before `late` was sent
    assert ids(load(found)) == (["v", "u", "w", "x", "y", "z"], ["late"])
    found.scraped("a", gauges(running=7, waiting=0), 13)
    assert ids(load(found)) == (["v", "u", "w", "x", "y", "z", "late"], [])


def test_who_came_during_an_iteration_is_not_in_its_figures() -> None:
    found = fleet()
    for place, name in enumerate("xyz"):
        found.sent(ask(name), "a", place)
    found.scraped("a", gauges(running=1, waiting=1), 9)
    assert ids(load(found)) == (["x"], ["y", "z"])


def test_requests_of_others_are_strangers_of_mean_size() -> None:
    found = fleet()
    found.scraped("a", gauges(running=2, waiting=1), 1)
    one = load(found)
    assert [r.prompt for r in [*one.running, *one.waiting]] == [MEAN_PROMPT] * 3
    assert one.running[0].id != one.running[1].id
    found.sent(ask("x", prompt=10), "a", 2)
    found.sent(ask("y", prompt=30), "a", 2)
    found.token("x", 3)
    found.scraped("a", gauges(running=3, waiting=4), 4)
    one = load(found)
    assert ids(one) == (
        ["x", "stranger-0", "stranger-1"],
        ["y", *(f"stranger-{i}" for i in range(3))],
    )
    assert one.waiting[3].prompt == 20
    assert len(one.running) == 3 and len(one.waiting) == 4
    assert found.outstanding("a") == 2


def test_preempted_requests_are_not_counted_twice() -> None:
    found = fleet()
    for name in "xyz":
        found.sent(ask(name), "a", 1)
        found.token(name, 2)
    found.scraped("a", gauges(running=1, waiting=2), 3)  # two have had to give way: which?
    assert ids(load(found)) == (["x", "y", "z"], [])


def test_an_engine_gone_mad_does_not_take_the_gateway_with_it() -> None:
    found = fleet()
    found.scraped("a", gauges(running=10**15, waiting=10**15), 1)
    one = load(found)
    assert len(one.running) + len(one.waiting) == len([*one.running, *one.waiting]) <= 10_000


def test_strangers_take_memory_where_usage_is_not_published() -> None:
    found = fleet()
    found.sent(ask("x", prompt=20), "a", 1)
    found.token("x", 2)
    found.scraped("a", gauges(running=3), 3)
    assert load(found).free == 100 - 3 - 2 * 2


def test_a_request_that_is_sent_elsewhere_is_there_only() -> None:
    found = fleet("a", "b")
    one = ask("x", prompt=20)
    found.sent(one, "a", 1)
    found.token("x", 2, count=5)
    found.sent(one, "b", 3, generated=5)
    assert (found.outstanding("a"), found.outstanding("b")) == (0, 1)
    (waits,) = load(found, "b").waiting
    assert (waits.prompt, waits.generated) == (20, 5)
    found.token("x", 4)
    assert load(found, "b").running[0].generated == 6
    assert load(found, "b").free == 100 - 3
    assert found.mean_prompt == 20  # the move is no request of its own


def test_prefixes_are_remembered_by_backend_and_forgotten_with_it() -> None:
    found = fleet("a", "b")
    known = ask("x", prompt=3 * IDS + 5, prefix=(1, 2, 3))
    found.sent(known, "a", 1)
    longer = ask("y", prompt=5 * IDS, prefix=(1, 2, 3, 4, 5))
    assert (found.cached("a", longer), found.cached("b", longer)) == (3 * IDS, 0)
    view = found.view(["a", "b"], 2, longer)
    request = known_request(found, longer)
    assert view.cached("a", request) == 3 * IDS
    assert view.cached("a", request._replace(id="another")) == 0
    assert found.view(["a"], 2).cached("a", request) == 0
    found.scraped("a", gauges(count=10.0), 3)
    assert found.cached("a", longer) == 3 * IDS
    found.scraped("a", gauges(count=9.0), 4)  # the engine has begun anew
    assert found.cached("a", longer) == 0
    found.sent(known, "a", 5)
    found.restarted("a", 6)
    assert found.cached("a", longer) == 0


def test_one_that_was_only_too_busy_to_answer_has_lost_nothing() -> None:
    found = fleet()
    found.sent(ask("x", prompt=2 * IDS, prefix=(1, 2)), "a", 1)
    found.scraped("a", gauges(2, 0, 0.5, born=7.0), 2)
    found.restarted("a", 3)
    again = ask("y", prompt=2 * IDS, prefix=(1, 2))
    assert (found.cached("a", again), load(found).free) == (2 * IDS, 50)
    found.scraped("a", gauges(born=8.0), 4)
    assert found.cached("a", again) == 0


def known_request(found: Fleet, one: Any) -> Any:
    found.sent(one, "b", 1)
    (waits,) = load(found, "b").waiting
    found.done(one.id, 1)
    found.backends["b"].memory.clear()
    return waits


def test_cached_tokens_of_text_are_its_share_of_the_prompt() -> None:
    found = fleet()
    found.sent(ask("x", prompt=100, prefix=(1, 2)), "a", 1)
    text = ask("y", prompt=300, exact=False, size=BYTES * 4, prefix=(1, 2, 3, 4))
    assert found.cached("a", text) == 150
    whole = ask("z", prompt=7, exact=False, size=2 * BYTES, prefix=(1, 2))
    assert found.cached("a", whole) == 7


def test_memory_of_prefixes_is_as_long_as_that_of_the_engine() -> None:
    found = fleet(blocks=2 * IDS, block_size=1)
    found.sent(ask("x", prefix=(1, 2, 3)), "a", 1)
    assert found.cached("a", ask("y", prompt=1000, prefix=(1, 2, 3))) == 2 * IDS


def test_in_flight_bounds_close_a_backend() -> None:
    found = fleet("a", in_flight=1)
    found.add("b")
    assert found.open(["a", "b"]) == ["a", "b"]
    found.sent(ask("x"), "a", 1)
    assert found.open(["a", "b"]) == ["b"]
    found.done("x", 2)
    assert found.open(["a"]) == ["a"]


def test_a_name_is_taken_once() -> None:
    found = fleet("a")
    with pytest.raises(ValueError, match="'a'"):
        found.add("a")
    found.remove("a")
    found.add("a")


def test_freeness_and_infaas_see_what_is_there() -> None:
    found = fleet("a", "b")
    found.sent(ask("x", prompt=100), "a", 1)
    found.scraped("a", gauges(1, 0, 0.5), 2)
    found.sent(ask("y", prompt=200), "a", 3)
    found.scraped("b", gauges(2, 0, 0.6), 2)
    a, b = found.view(["a", "b"], 4).loads
    assert freeness(a) == (50 - 20) / 1  # the head of the queue demands 20 blocks
    assert freeness(b) == 40 / 2
    assert (block_load(a), block_load(b)) == (0.7, 0.6)
    sender = Freeness(target=None).dispatcher(facts.Fleet(), Streams(0))
    request = a.waiting[0]
    assert sender.dispatch(found.view(["a", "b"], 4), request).replica == "a"


def test_a_rescheduler_can_choose_what_moves() -> None:
    found = fleet()
    for name, prompt in (("long", 90), ("short", 10), ("new", 5)):
        found.sent(ask(name, prompt=prompt), "a", 1)
    found.token("long", 2)
    found.token("short", 2)
    found.scraped("a", gauges(4, 0), 3)  # `new` is in its prefill, and there is a stranger
    view = found.replica("a", 4)
    assert [r.id for r in view.running] == ["long", "short", "new", "stranger-0"]
    chosen = choose(view.running, "lenient")
    assert chosen is not None and chosen.id == "short"
    assert (view.now, view.blocks, view.block_size) == (4, 100, 10)


class Plain:
    """The rules again, without any running sums: one backend of 100 blocks of 10 tokens."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []  # own requests, in order of sending
        self.used = self.base = 0
        self.strangers = (0, 0)
        self.admissions = 0

    def admit(self, row: dict[str, Any]) -> None:
        row["in"] = self.admissions = self.admissions + 1

    def blocks(self) -> int:
        return sum(-(-(r["prompt"] + r["got"]) // 10) for r in self.rows if r["in"])

    def scraped(self, running: int, waiting: int, usage: float, now: int) -> None:
        early = [r for r in self.rows if not r["in"] and r["at"] < now]
        unknown = sum(1 for r in self.rows if r["in"]) + len(early) - running - waiting
        early = early[: len(early) - min(len(early), max(0, unknown))]
        for row in early[: max(0, len(early) - waiting)]:
            self.admit(row)
        waits = min(len(early), waiting)
        others = max(0, running + waiting - sum(1 for r in self.rows if r["in"]) - waits)
        queued = min(others, waiting - waits)
        self.strangers = (others - queued, queued)
        self.used, self.base = round(usage * 100), self.blocks()

    def load(self) -> tuple[list[str], list[str], int, int]:
        admitted = sorted((r for r in self.rows if r["in"]), key=lambda r: r["in"])
        waiting = [r["id"] for r in self.rows if not r["in"]]
        free = 100 - (self.used + self.blocks() - self.base)
        urgent = sum(r["priority"] < 0 for r in admitted)
        return [r["id"] for r in admitted], waiting, min(100, max(0, free)), urgent


events = st.lists(
    st.one_of(
        st.tuples(st.just("sent"), st.integers(1, 60), st.sampled_from([-1, 0, 1])),
        st.tuples(st.just("token"), st.integers(0, 9), st.integers(1, 25)),
        st.tuples(st.just("done"), st.integers(0, 9), st.just(0)),
        st.tuples(st.just("scraped"), st.integers(0, 8), st.integers(0, 4)),
    ),
    max_size=40,
)


@given(events, st.lists(st.floats(0, 1), min_size=40, max_size=40), st.integers(0, 3))
def test_running_sums_are_what_counting_anew_gives(
    events: list[tuple[str, int, int]], usages: list[float], lag: int
) -> None:
    found, plain = fleet(), Plain()
    for now, (what, first, second) in enumerate(events, start=10):
        if what == "sent":
            name = f"r{now}"
            found.sent(ask(name, prompt=first, priority=second), "a", now)
            row = {"id": name, "prompt": first, "priority": second, "got": 0, "in": 0, "at": now}
            plain.rows.append(row)
        elif what == "scraped":
            usage = usages[now - 10]
            found.scraped("a", gauges(first, second, usage), now - lag)
            plain.scraped(first, second, usage, now - lag)
        elif plain.rows:
            row = plain.rows[first % len(plain.rows)]
            if what == "token":
                found.token(row["id"], now, second)
                row["got"] += second
                if not row["in"]:
                    plain.admit(row)
            else:
                found.done(row["id"], now)
                plain.rows.remove(row)
        one = load(found)
        running, waiting, free, urgent = plain.load()
        told = ids(one)
        assert told[0][: len(running)] == running and told[1][: len(waiting)] == waiting
        assert (len(one.running) - len(running), len(one.waiting) - len(waiting)) == plain.strangers
        assert (one.free, one.urgent) == (free, urgent)
        assert found.outstanding("a") == len(plain.rows)
        view = found.view(["a"], now)
        assert view.outstanding_tokens("a") == sum(r["prompt"] for r in plain.rows)
        got = {r["id"]: r["got"] for r in plain.rows}
        assert all(r.generated == got[r.id] for r in one.running if r.id in got)
