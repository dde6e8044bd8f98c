"""The promise about the first token: the speed of servers, and what is refused for it."""

from __future__ import annotations

import heapq
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.core.streams import Streams
from hocket.serving.live.gateway.admission import Admitted, Gate, Refused
from hocket.serving.live.gateway.config import Tenant
from hocket.serving.live.gateway.fleet import Fleet
from hocket.serving.live.gateway.parse import Ask
from hocket.serving.live.gateway.shed import GROUP, GROUPS, KEPT, SURE, Meter, bound
from tests.serving.live.gateway.gate.asks import SECOND, ask, config


@given(st.lists(st.integers(0, 3000), min_size=GROUP, max_size=60), st.integers(1, 500))
def test_the_speed_of_a_server_is_found_at_any_load(gaps: list[int], service: int) -> None:
    """Requests of one unit of work that take `service` each, one after another."""
    meter = Meter()
    now, free, events = 0, 0, []
    for gap in gaps:
        now += gap
        free = max(free, now) + service
        events += [(now, 1), (free, 0)]
    for time, comes in sorted(events):
        (meter.come if comes else meter.done)(1, time)
    assert meter.ticks(7, free) == pytest.approx(7 * service)
    assert meter.ticks(7, free + 10**9) == pytest.approx(7 * service)  # being idle takes no time
    assert meter.left == 0


def test_nothing_is_said_before_enough_has_been_measured() -> None:
    meter = Meter()
    for place in range(GROUP):
        assert meter.ticks(1, place) is None
        meter.come(1, place)
        meter.done(1, place + 1)
    assert meter.ticks(1, GROUP) == meter.mean(GROUP) == 1
    meter.reset()
    assert meter.ticks(1, GROUP) is None


def test_only_the_latest_counts() -> None:
    meter = Meter()
    now = 0
    for took in (50, 10):
        for _ in range(GROUP * GROUPS):
            meter.come(2, now)
            now += took
            meter.done(2, now)
        assert meter.ticks(6, now) == meter.ticks(6, now + 10**9) == 3 * took


def test_a_server_that_hangs_becomes_slow() -> None:
    meter = Meter()
    for place in range(2 * GROUP):
        meter.come(1, 10 * place)
        meter.done(1, 10 * place + 10)
    now = 20 * GROUP
    meter.come(1, now)
    assert meter.mean(now + 10 * GROUP) == 10
    assert meter.mean(now + 20 * GROUP) == 20
    assert meter.mean(now + 2000 * GROUP) == 1010
    meter.gone(1, now + 20 * GROUP)  # its client has given up, but the time has passed
    assert meter.mean(now + 10**9) == 20
    assert meter.left == 0


def test_work_done_at_once_counts_once_and_is_no_variation() -> None:
    """An engine that computes several prompts in one iteration."""
    meter = Meter()
    for place in range(GROUPS):
        for _ in range(GROUP):
            meter.come(10, place * 1000)
        for _ in range(GROUP):
            meter.done(10, place * 1000 + 100)
    assert meter.ticks(50, 10**6) == pytest.approx(100 * 50 / (10 * GROUP))


def test_the_prediction_holds_as_often_as_it_should() -> None:
    """Services with an exponential time each, of which so many are ahead."""
    rng = Streams(5)["services"]
    kept = []
    for _ in range(300):
        meter, now = Meter(), 0
        for _ in range(GROUP * GROUPS):
            meter.come(1, now)
            now += 1 + int(rng.exponential(1000))
            meter.done(1, now)
        predicted = meter.ticks(20, now)
        assert predicted is not None
        kept.append(rng.exponential(1000, 20).sum() <= predicted)
    assert SURE - 0.05 < sum(kept) / len(kept) < 1


def test_the_less_urgent_leave_room() -> None:
    assert [bound(1000, classes) for classes in (0, 1, 2)] == [1000, 900, 800]
    assert bound(1000, 50) == 1000 * (1 - 5 * KEPT)


class Server:
    """Simulated engines that prefill one request after another and then need a while to decode."""

    def __init__(self, gate: Gate, service: int, decode: int, seed: int) -> None:
        self.gate, self.service, self.decode = gate, service, decode
        self.vary = False  # whether the time of answers has an exponential distribution
        self.rng: np.random.Generator = Streams(seed)["arrivals"]
        self.ttft: dict[str, int] = {}
        self.refused: Counter[int] = Counter()
        self.busy: Counter[str] = Counter()
        self.free_at: dict[str, int] = {}
        self.events: list[tuple[int, int, str, Ask]] = []
        self.places = iter(range(10**9))

    def at(self, time: int, what: str, one: Ask) -> None:
        heapq.heappush(self.events, (time, next(self.places), what, one))

    def play(self, rate: float, seconds: int, priorities: tuple[int, ...] = (0,)) -> None:
        """Poisson arrivals, `rate` a second."""
        now = 0.0
        while now < seconds:
            now += self.rng.exponential(1 / rate)
            priority = priorities[int(self.rng.integers(len(priorities)))]
            time = round(now * SECOND)
            one = ask(f"r{len(self.events)}", prompt=200, priority=priority, arrival=time)
            self.at(time, "arrive", one)
        while self.events:
            time, _, what, one = heapq.heappop(self.events)
            getattr(self, what)(one, time)

    def arrive(self, one: Ask, now: int) -> None:
        ticket = self.gate.offer(one, now)
        ticket.wake = lambda verdict: self.known(one, verdict, self.now)
        self.now = now
        if ticket.verdict is not None:
            self.known(one, ticket.verdict, now)

    def known(self, one: Ask, verdict: Admitted | Refused, now: int) -> None:
        if isinstance(verdict, Refused):
            assert verdict.kind == "ttft" and verdict.status == 429 and verdict.retry_after > 0
            self.refused[one.priority] += 1
            return
        fleet = self.gate.fleet
        name = min(fleet.backends, key=fleet.outstanding)
        fleet.sent(one, name, now)
        start = max(now, self.free_at.get(name, 0))
        self.free_at[name] = start + self.service
        self.busy[name] += self.service
        self.at(start + self.service, "first", one)

    def first(self, one: Ask, now: int) -> None:
        self.ttft[one.id] = now - one.arrival
        self.gate.fleet.token(one.id, now)
        self.gate.token(one, now)
        answer = round(self.rng.exponential(self.decode)) if self.vary else self.decode
        self.at(now + answer, "leave", one)

    def leave(self, one: Ask, now: int) -> None:
        self.now = now
        self.gate.leave(one, now)


def server(ttft: float | None, service: float, decode: float, slots: int, backends: int) -> Server:
    fleet = Fleet()
    names = [f"b{i}" for i in range(backends)]
    for name in names:
        fleet.add(name, in_flight=slots)
    gate = Gate(config(ttft=ttft), fleet, lambda one: names)
    return Server(gate, round(service * SECOND), round(decode * SECOND), seed=1)


@pytest.mark.parametrize("backends", [1, 3])
@pytest.mark.parametrize("slots", [0, 4])
def test_an_overloaded_server_keeps_its_promise_to_those_it_lets_in(
    backends: int, slots: int
) -> None:
    """M/D/1 at twice its capacity: 50 ms each, 1 s promised; without it nearly all are late."""
    rate = 2 * 20 * backends
    shed = server(1.0, 0.05, 0.0, slots, backends)
    shed.play(rate, 60)
    kept = sum(took <= SECOND for took in shed.ttft.values()) / len(shed.ttft)
    assert kept > 0.99
    # And the server is never idle for it: what it does is what it can do.
    assert sum(shed.busy.values()) / backends > 0.97 * 60 * SECOND
    plain = server(None, 0.05, 0.0, slots, backends)
    plain.play(rate, 60)
    late = sum(took > SECOND for took in plain.ttft.values()) / len(plain.ttft)
    assert late > 0.8 and not plain.refused


def test_slots_that_answers_hold_are_waited_for_too() -> None:
    """32 slots, held for about 1.02 s each: 31 a second at most, though prefill could do 50."""
    shed = server(2.0, 0.02, 1.0, 32, 1)
    shed.vary = True
    shed.play(62, 120)
    kept = sum(took <= 2 * SECOND for took in shed.ttft.values()) / len(shed.ttft)
    assert kept > SURE - 0.05
    assert len(shed.ttft) / 120 > 0.95 * 32 / 1.02


@pytest.mark.parametrize("rate", [2.0, 10.0])
def test_an_easy_load_is_never_refused(rate: float) -> None:
    """At 10 % and at 50 % of capacity, though the second one finishes five times as much."""
    shed = server(1.0, 0.05, 0.2, 0, 1)
    shed.play(rate, 120)
    assert not shed.refused


def test_the_less_urgent_are_refused_first() -> None:
    shed = server(1.0, 0.05, 0.0, 0, 1)
    shed.play(30, 120, priorities=(-1, 0))  # 15 a second of each kind, for 20 in all
    assert shed.refused[0] > 5 * shed.refused[-1]


def test_what_was_promised_to_a_tenant_counts_for_it() -> None:
    fleet = Fleet()
    fleet.add("a")
    rules = {"hasty": Tenant(ttft=0.5), "patient": Tenant(ttft=10.0)}
    gate = Gate(config(ttft=1.0, tenants=rules), fleet, lambda one: ["a"])
    now = 0
    for place in range(GROUP):
        fleet.sent(ask(f"r{place}", prompt=100), "a", now)
        now += SECOND // 10
        fleet.token(f"r{place}", now)
    for place in range(6):  # 0.6 s of work
        fleet.sent(ask(f"q{place}", prompt=100), "a", now)
    refused = gate.offer(ask("x", tenant="hasty"), now).verdict
    assert isinstance(refused, Refused) and refused.kind == "ttft"
    assert refused.retry_after == pytest.approx(0.2)
    assert refused.why == "the first token would take 0.7 s, promised are 0.5 s"
    assert gate.offer(ask("y"), now).verdict == Admitted()
    long = gate.offer(ask("z", prompt=5000), now).verdict
    assert isinstance(long, Refused)
    assert gate.offer(ask("w", prompt=5000, tenant="patient"), now).verdict == Admitted()


def test_what_is_not_streamed_shows_no_first_token() -> None:
    """It would look as if prompts took as long as whole answers."""
    fleet = Fleet()
    fleet.add("a")
    for place in range(20 * GROUP):
        whole = place % 2 == 0
        fleet.sent(ask(f"r{place}", stream=not whole), "a", place * SECOND)
        fleet.token(f"r{place}", place * SECOND + (SECOND // 2 if whole else SECOND // 10))
    now = 20 * GROUP * SECOND
    assert fleet.patience(["a"], 100, now) == pytest.approx(SECOND / 10)
    fleet.sent(ask("waits", stream=False), "a", now)
    assert fleet.patience(["a"], 100, now) == pytest.approx(SECOND / 10)
