"""Who comes in, who waits, and who is told to come back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.serving.live.gateway.admission import Admission, Admitted, Gate, Refused, Ticket
from hocket.serving.live.gateway.config import Bounds, Tenant
from hocket.serving.live.gateway.fleet import Fleet
from hocket.serving.live.gateway.parse import Ask
from tests.serving.live.gateway.gate.asks import SECOND, VirtualLoop, ask, config, run


def gate(slots: int = 2, backends: tuple[str, ...] = ("a",), **fields: Any) -> Gate:
    fleet = Fleet()
    for name in backends:
        fleet.add(name, in_flight=slots)
    return Gate(config(**fields), fleet, lambda one: backends)


def verdict(found: Gate, now: int = 0, /, **fields: Any) -> Admitted | Refused | None:
    return found.offer(ask(**fields), now).verdict


def send(found: Gate, one: Ask, now: int, name: str = "a") -> None:
    found.fleet.sent(one, name, now)


def test_who_finds_room_comes_in_at_once() -> None:
    found = gate()
    assert verdict(found, 5, id="x") == Admitted(0)
    assert verdict(found, 5, id="y") == Admitted(0)
    assert verdict(found, 5, id="z") is None  # though neither was seen at a backend yet


def test_who_leaves_makes_room_for_the_next() -> None:
    found = gate(slots=1)
    first, second, third = (found.offer(ask(name), place) for place, name in enumerate("xyz"))
    send(found, first.ask, 1)
    assert (second.verdict, third.verdict) == (None, None)
    woken: list[Any] = []
    second.wake = woken.append
    found.leave(first.ask, 10)
    assert second.verdict == Admitted(9) and woken == [Admitted(9)]
    assert third.verdict is None
    found.leave(first.ask, 11)  # a second time: nothing
    assert third.verdict is None
    found.leave(second.ask, 12)
    assert third.verdict == Admitted(10)
    assert found.fleet.outstanding("a") == 0


def test_leaving_frees_the_backend_whoever_tells_the_fleet_first() -> None:
    found = gate(slots=1)
    one = found.offer(ask("x"), 0)
    waits = found.offer(ask("y"), 0)
    send(found, one.ask, 1)
    found.leave(one.ask, 2)
    assert waits.verdict == Admitted(2)
    send(found, waits.ask, 3)
    found.fleet.done("y", 4)
    found.leave(waits.ask, 4)
    assert not found.inside and found.fleet.outstanding("a") == 0


def test_rates_refuse_with_the_exact_time() -> None:
    tenants = {"t": Tenant(requests=60, burst=2.0), "u": Tenant(tokens=6000, burst=10.0)}
    found = gate(slots=0, tenants=tenants)
    assert [verdict(found, 0, id=name) for name in "xy"] == [Admitted(), Admitted()]
    refused = verdict(found, 0, id="z")
    assert isinstance(refused, Refused)
    assert (refused.status, refused.retry_after, refused.kind) == (429, 1.0, "requests")
    assert "'t' may have 60 requests a minute" in refused.why
    assert verdict(found, SECOND - 1, id="z") == refused._replace(retry_after=1e-6)
    assert verdict(found, SECOND, id="z") == Admitted()
    big = ask("big", tenant="u", prompt=900)
    assert found.offer(big, SECOND).verdict == Admitted()
    found.token(big, SECOND, count=150)  # 50 more than the bucket held
    refused = verdict(found, SECOND, id="w", tenant="u", prompt=100)
    assert isinstance(refused, Refused)
    assert (refused.kind, refused.retry_after) == ("tokens", 1.5)
    assert verdict(found, SECOND, id="v", tenant="somebody else") == Admitted()


def test_what_is_refused_is_not_charged() -> None:
    found = gate(slots=0, tenants={"t": Tenant(requests=60, tokens=60_000, burst=1.0)})
    assert verdict(found, 0, id="x") == Admitted()
    for place in range(5):
        assert isinstance(verdict(found, place, id="y"), Refused)
    assert found._tenants["t"].rates["tokens"].level(0) == 900
    assert verdict(found, SECOND, id="z") == Admitted()


def test_who_gives_up_waiting_gets_back_what_it_was_charged() -> None:
    found = gate(slots=1, tenants={"t": Tenant(requests=60, tokens=6000, burst=2.0)})
    found.offer(ask("x", tenant="u"), 0)
    waits = found.offer(ask("y"), 0)
    assert found._tenants["t"].rates["requests"].level(0) == 1
    assert found._tenants["t"].rates["tokens"].level(0) == 100
    found.withdraw(waits, 0)
    assert found._tenants["t"].rates["requests"].level(0) == 2
    assert found._tenants["t"].rates["tokens"].level(0) == 200
    assert len(found.queue) == 0 and found._tenants["t"].here == 0


def test_bounds_on_all_and_on_one_tenant() -> None:
    found = gate(slots=0, bounds=Bounds(requests=3), tenants={"t": Tenant(in_flight=1)})
    first = ask("x")
    assert found.offer(first, 0).verdict == Admitted()
    refused = verdict(found, 0, id="y")
    assert isinstance(refused, Refused) and (refused.status, refused.kind) == (429, "in-flight")
    assert verdict(found, 0, id="z", tenant="u") == Admitted()
    assert verdict(found, 0, id="w", tenant="u") == Admitted()
    refused = verdict(found, 0, id="v", tenant="u")
    assert isinstance(refused, Refused) and (refused.status, refused.kind) == (503, "full")
    found.leave(first, 1)
    assert verdict(found, 1, id="y") == Admitted()


def test_a_full_queue_refuses_the_least_urgent_that_came_last() -> None:
    found = gate(slots=1, bounds=Bounds(queue=2))
    found.offer(ask("x"), 0)
    low = [found.offer(ask(f"low{i}", priority=5), i) for i in range(2)]
    refused = verdict(found, 3, id="late", priority=5)
    assert isinstance(refused, Refused) and (refused.status, refused.kind) == (429, "queue")
    assert refused.why == "2 requests wait already"
    urgent = found.offer(ask("urgent", priority=-1), 4)
    assert urgent.verdict is None and low[0].verdict is None
    pushed = low[1].verdict
    assert isinstance(pushed, Refused) and "more urgent" in pushed.why


def test_a_tenant_cannot_claim_to_be_more_urgent_than_it_may() -> None:
    found = gate(slots=1, tenants={"t": Tenant(priority=0)})
    first = ask("x")
    found.offer(first, 0)
    waits = [found.offer(ask("claims", priority=-9), 1), found.offer(ask("u", tenant="u"), 2)]
    urgent = found.offer(ask("may", tenant="u", priority=-(10**9)), 3)
    found.leave(first, 4)
    assert [one.verdict for one in waits] == [None, None]
    assert urgent.verdict == Admitted(1)


def test_lanes_of_other_models_do_not_wait_for_each_other() -> None:
    fleet = Fleet()
    fleet.add("a", in_flight=1)
    fleet.add("b", in_flight=1)
    found = Gate(config(), fleet, lambda one: [one.model])
    tickets = {name: found.offer(ask(name, model=name[0]), 0) for name in ("a0", "a1", "b0")}
    send(found, tickets["a0"].ask, 1, "a")
    found.release(1)
    assert tickets["a1"].verdict is None
    assert tickets["b0"].verdict is not None


def test_tenants_that_compete_get_their_shares() -> None:
    found = gate(slots=1, tenants={"a": Tenant(weight=3.0), "b": Tenant()})
    under_way = found.offer(ask("x", tenant="c"), 0)
    tickets = [
        found.offer(ask(f"{tenant}{i}", tenant=tenant), 0) for i in range(40) for tenant in "ab"
    ]
    served = []
    for now in range(1, 41):
        found.leave(under_way.ask, now)
        under_way = next(t for t in tickets if t.verdict is not None and t.ask.id in found.inside)
        served.append(under_way.ask.tenant)
        found.token(under_way.ask, now, count=10)
    assert served.count("a") == 30


def test_tenants_by_the_thousand_are_forgotten_without_loss() -> None:
    found = gate(slots=0, others=Tenant(requests=60, burst=1.0))
    for place in range(10_000):
        assert verdict(found, place * SECOND, id=f"r{place}", tenant=f"t{place}") == Admitted()
        found.leave(ask(f"r{place}"), place * SECOND)
    assert len(found._tenants) <= 4096 + 1


Event = tuple[str, int]
events = st.lists(
    st.tuples(
        st.sampled_from(["offer", "offer", "send", "leave", "withdraw", "expire"]),
        st.integers(0, 50),
    ),
    max_size=80,
)


@given(events, st.integers(1, 3), st.integers(1, 4))
def test_bounds_hold_and_nobody_waits_while_there_is_room(
    events: list[Event], slots: int, queue: int
) -> None:
    found = gate(slots=slots, backends=("a", "b"), bounds=Bounds(queue=queue))
    tickets: list[Ticket] = []
    over: set[str] = set()
    for now, (what, pick) in enumerate(events):
        if what == "offer":
            fields = {"tenant": "tuv"[pick % 3], "priority": pick % 2, "model": "mn"[pick % 2]}
            tickets.append(found.offer(ask(f"r{now}", **fields), now))
        elif tickets:
            ticket = tickets[pick % len(tickets)]
            name = ticket.ask.id
            inside = isinstance(ticket.verdict, Admitted) and name not in over
            if what == "send" and inside:
                open_ = found.fleet.open(["a", "b"])
                if name not in found.fleet.flights and open_:
                    found.fleet.sent(ticket.ask, open_[0], now)
            elif what == "leave" and inside:
                over.add(name)
                found.leave(ticket.ask, now)
            elif what == "withdraw" and (inside or ticket.verdict is None):
                over.add(name)
                found.withdraw(ticket, now)
            elif what == "expire":
                found.expire(ticket, now)
        admitted = [t for t in tickets if isinstance(t.verdict, Admitted) and t.ask.id not in over]
        waiting = [t for t in tickets if t.verdict is None and t.ask.id not in over]
        assert len(admitted) == len(found.inside) <= 2 * slots
        assert len(waiting) == len(found.queue) <= queue
        assert not waiting or len(admitted) == 2 * slots
        here = sum(tenant.here for tenant in found._tenants.values())
        assert here == len(admitted) + len(waiting) == sum(found._classes.values())
        assert found.meter.left == len(waiting)


# In virtual time: waiting as coroutines do.


def admission(loop: VirtualLoop, slots: int = 1, **fields: Any) -> Admission:
    fleet = Fleet()
    fleet.add("a", in_flight=slots)
    return Admission(config(**fields), fleet, lambda one: ["a"], loop.ticks)


def test_waiting_ends_when_another_leaves() -> None:
    loop = VirtualLoop()

    async def main() -> None:
        gate = admission(loop)
        first = ask("x")
        assert await gate.admit(first, loop.ticks()) == Admitted(0)
        waits = asyncio.create_task(gate.admit(ask("y"), loop.ticks()))
        await asyncio.sleep(3)
        assert (gate.waiting, gate.inside) == (1, 1)
        gate.token(first, loop.ticks())
        gate.leave(first)
        assert await waits == Admitted(3 * SECOND)
        assert (gate.waiting, gate.inside) == (0, 1)

    run(loop, main())


def test_waiting_is_bounded() -> None:
    loop = VirtualLoop()

    async def main() -> None:
        gate = admission(loop, bounds=Bounds(wait=7.0))
        await gate.admit(ask("x"), 0)
        found = await gate.admit(ask("y"), 0)
        assert loop.time() == pytest.approx(7.0)
        assert isinstance(found, Refused) and (found.status, found.kind) == (429, "late")
        assert "7 s" in found.why
        assert gate.waiting == 0

    run(loop, main())


def test_without_any_backend_it_is_the_gateway_that_fails() -> None:
    loop = VirtualLoop()

    async def main() -> None:
        gate = Admission(config(bounds=Bounds(wait=2.0)), Fleet(), lambda one: [], loop.ticks)
        found = await gate.admit(ask("x"), 0)
        assert isinstance(found, Refused) and found.status == 503

    run(loop, main())


def test_a_backend_that_comes_back_is_noticed() -> None:
    loop = VirtualLoop()

    async def main() -> None:
        fleet = Fleet()
        fleet.add("a")
        up: list[str] = []
        gate = Admission(config(), fleet, lambda one: up, loop.ticks)
        waits = asyncio.create_task(gate.admit(ask("x"), 0))
        await asyncio.sleep(5)
        up.append("a")
        assert await waits == Admitted(loop.ticks())
        assert loop.time() < 5.2
        up.clear()
        more = asyncio.create_task(gate.admit(ask("y"), loop.ticks()))
        await asyncio.sleep(1)
        up.append("a")
        gate.changed()
        assert await more == Admitted(SECOND)

    run(loop, main())


def test_a_client_that_goes_away_while_it_waits_leaves_no_trace() -> None:
    loop = VirtualLoop()

    async def main() -> None:
        gate = admission(loop)
        first = ask("x")
        await gate.admit(first, 0)
        waits = asyncio.create_task(gate.admit(ask("y"), 0))
        await asyncio.sleep(1)
        waits.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits
        assert (gate.waiting, gate.inside) == (0, 1)
        gate.leave(first)
        assert gate.inside == 0

    run(loop, main())


def test_a_client_that_goes_away_just_as_it_is_let_in_holds_no_place() -> None:
    loop = VirtualLoop()

    async def main() -> None:
        gate = admission(loop)
        first = ask("x")
        await gate.admit(first, 0)
        waits = asyncio.create_task(gate.admit(ask("y"), 0))
        last = asyncio.create_task(gate.admit(ask("z"), 0))
        await asyncio.sleep(1)
        gate.leave(first)  # lets `y` in, whose coroutine has not run yet
        waits.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits
        assert await last == Admitted(SECOND)
        assert gate.inside == 1

    run(loop, main())


def test_a_thousand_wait_and_each_is_served_once() -> None:
    loop = VirtualLoop()
    served: list[str] = []
    most = 0

    async def client(gate: Admission, name: str) -> None:
        nonlocal most
        one = ask(name, tenant=name[-1])
        assert isinstance(await gate.admit(one, loop.ticks()), Admitted)
        gate.gate.fleet.sent(one, "a", loop.ticks())
        most = max(most, gate.inside)
        await asyncio.sleep(1)
        served.append(name)
        gate.leave(one)

    async def main() -> None:
        gate = admission(loop, slots=10, bounds=Bounds(wait=1000.0))
        await asyncio.gather(*(client(gate, f"r{place}") for place in range(1000)))
        assert (gate.inside, gate.waiting) == (0, 0)

    run(loop, main())
    assert len(served) == len(set(served)) == 1000
    assert most == 10
    assert loop.time() == pytest.approx(100.0)


def test_who_has_to_go_elsewhere_waits_for_room_there_before_others() -> None:
    found = gate(slots=1, backends=("a", "b"), others=Tenant(requests=60, burst=4))
    here, there = ask("here"), ask("there")
    for one, name in ((here, "a"), (there, "b")):
        assert found.offer(one, 0).verdict is not None
        send(found, one, 0, name)
    later = found.offer(ask("later"), 1)
    found.fleet.done("here", 2)  # a has failed it
    again = found.again(here, ["b"], 2)
    # The room that it left behind at a is for who waits; b has none yet.
    assert (again.verdict, later.verdict) == (None, Admitted(1))
    send(found, later.ask, 2, "a")
    last = found.offer(ask("last"), 3)
    found.leave(there, 4)
    assert (again.verdict, last.verdict) == (Admitted(2), None)
    send(found, here, 4, "b")
    for one in (here, later.ask, last.ask):
        found.leave(one, 5)
    assert (len(found.inside), len(found.queue), found.fleet.flights) == (0, 0, {})
    assert found.meter.left == 0 and found._classes == {}


def test_who_waits_again_in_vain_or_goes_away_leaves_nothing_behind() -> None:
    for end in ("expire", "withdraw"):
        found = gate(slots=1, backends=("a", "b"))
        one = ask("one")
        assert found.offer(one, 0).verdict is not None
        other = ask("other")
        found.offer(other, 0)
        send(found, other, 0, "b")
        again = found.again(one, ["b"], 1)
        assert again.verdict is None
        getattr(found, end)(again, 2)
        found.leave(one, 3)
        assert (len(found.queue), list(found.inside)) == (0, ["other"])
        assert found._tenants["t"].here == 1 and found.meter.left == 0
