"""Who comes in, who waits, and who is told to come back later.

A request passes, in this order: the bound on all requests, the tenant's bound and rates, the
promise (`shed`), and then the fair queue (`fair`), which it leaves when a backend has room for it.
Whoever is refused is told why and when to try again. `Gate` decides, is told the time, and never
waits; `Admission` lets a coroutine wait for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from hocket.serving.live.gateway.config import Config, Tenant
from hocket.serving.live.gateway.fair import Entry, FairQueue
from hocket.serving.live.gateway.fleet import Fleet
from hocket.serving.live.gateway.limits import SECOND, TokenBucket
from hocket.serving.live.gateway.parse import Ask
from hocket.serving.live.gateway.shed import Meter, bound

Kind = Literal["full", "in-flight", "requests", "tokens", "ttft", "queue", "late"]
_LOOK = 0.1
_MANY = 4096
_STEPS = 16
"""Priorities beyond so many steps from normal count as that, which bounds how many there are."""


class Admitted(NamedTuple):
    """The request may be sent. `waited`: ticks in the queue."""

    waited: int = 0


class Refused(NamedTuple):
    """The request is answered with `status`.

    `retry_after`: seconds after which it may succeed; `kind`: what refused it, for metrics: the
    bound on all requests, the tenant's on its own, its rates, the promised time to the first token,
    the length of the queue, or the time in it.
    """

    status: int
    retry_after: float
    why: str
    kind: Kind


class Ticket:
    """A request at the gate. `verdict` is None while it waits; `wake` is called with it.

    It goes to any backend for it, or only to those `among` them.
    """

    __slots__ = ("among", "ask", "entry", "queued", "since", "verdict", "wake")

    def __init__(
        self, ask: Ask, priority: int, weight: float, now: int, among: Sequence[str] = ()
    ) -> None:
        self.ask, self.since, self.among = ask, now, tuple(among)
        self.queued = False  # whether it has had to wait
        lane = "\n".join((ask.model, *among))
        self.entry: Entry[Ticket] = Entry(
            self, ask.tenant, ask.prompt, priority=priority, lane=lane, weight=weight
        )
        self.verdict: Admitted | Refused | None = None
        self.wake: Callable[[Admitted | Refused], None] | None = None

    def resolve(self, verdict: Admitted | Refused) -> None:
        """The verdict is known."""
        self.verdict = verdict
        if self.wake is not None:
            self.wake(verdict)


class _Tenant:
    """What a tenant has used. `here`: requests of it that wait or are under way."""

    __slots__ = ("here", "rates", "rule")

    def __init__(self, rule: Tenant, now: int) -> None:
        self.rule, self.here = rule, 0
        self.rates: dict[Literal["requests", "tokens"], TokenBucket] = {}
        if rule.requests:
            a_second = rule.requests / 60
            self.rates["requests"] = TokenBucket(a_second, max(1.0, a_second * rule.burst), now)
        if rule.tokens:
            a_second = rule.tokens / 60
            self.rates["tokens"] = TokenBucket(a_second, max(1.0, a_second * rule.burst), now)

    def idle(self, now: int) -> bool:
        """Whether to forget it would change nothing."""
        return not self.here and all(rate.full(now) for rate in self.rates.values())


class Gate:
    """The rules of admission, without a clock of their own. All times are ticks."""

    def __init__(self, config: Config, fleet: Fleet, names: Callable[[Ask], Sequence[str]]) -> None:
        """`names` gives the backends that could serve a request, as they are now."""
        self.config, self.fleet, self.names = config, fleet, names
        self.queue: FairQueue[Ticket] = FairQueue()
        self.inside: dict[str, Ticket] = {}  # admitted and not gone, by the request's id
        self.meter = Meter()  # of requests that have waited in the queue
        self._unsent: dict[str, None] = {}  # admitted, and not yet seen at a backend
        self._tenants: dict[str, _Tenant] = {}
        self._many = _MANY
        self._classes: dict[int, int] = {}  # requests here by priority

    def offer(self, ask: Ask, now: int) -> Ticket:
        """A request comes. Its ticket has a verdict at once, or waits for one."""
        tenant = self._tenant(ask.tenant, now)
        priority = max(-_STEPS, min(_STEPS, ask.priority))
        if tenant.rule.priority is not None:
            priority = max(priority, tenant.rule.priority)
        ticket = Ticket(ask, priority, tenant.rule.weight, now)
        if (refusal := self._refusal(ask, tenant, priority, now)) is not None:
            ticket.verdict = refusal
            return ticket
        for kind, rate in tenant.rates.items():
            rate.spend(1 if kind == "requests" else ask.prompt, now)
        tenant.here += 1
        self._classes[priority] = self._classes.get(priority, 0) + 1
        self.queue.add(ticket.entry)
        self.release(now)
        if ticket.verdict is None:
            ticket.queued = True
            self.meter.come(1, now)
            if len(self.queue) > self.config.bounds.queue:
                self._overflow(ticket, now)
        return ticket

    def again(self, ask: Ask, among: Sequence[str], now: int) -> Ticket:
        """A request that is inside has to go elsewhere, where there is no room: it waits again.

        It goes before others of its tenant, and is not charged by the rates a second time.
        """
        before = self.inside.pop(ask.id).entry
        self._unsent.pop(ask.id, None)
        ticket = Ticket(ask, before.priority, before.weight, now, among)
        ticket.queued = True
        self.queue.add(ticket.entry, first=True)
        self.meter.come(1, now)
        self.release(now)
        return ticket

    def _refusal(self, ask: Ask, tenant: _Tenant, priority: int, now: int) -> Refused | None:
        """Why a request cannot come in, if there is a reason."""
        rule = tenant.rule
        if len(self.inside) + len(self.queue) >= self.config.bounds.requests:
            return Refused(503, self._soon(1, now), "the gateway has all it can hold", "full")
        if rule.in_flight and tenant.here >= rule.in_flight:
            why = f"{rule.in_flight} requests of {ask.tenant!r} are under way, its most"
            return Refused(429, self._soon(1, now), why, "in-flight")
        for kind, rate in tenant.rates.items():
            if wait := rate.wait(1 if kind == "requests" else ask.prompt, now):
                a_minute = rule.requests if kind == "requests" else rule.tokens
                why = f"{ask.tenant!r} may have {a_minute:g} {kind} a minute"
                return Refused(429, wait / SECOND, why, kind)
        promised = self.config.ttft if rule.ttft is None else rule.ttft
        return None if promised is None else self._too_slow(ask, priority, promised, now)

    def _too_slow(self, ask: Ask, priority: int, promised: float, now: int) -> Refused | None:
        """Why so many seconds to the first token cannot be kept, if so."""
        predicted = self.predicted(ask, priority, now)
        more_urgent = sum(level < priority for level in self._classes)
        over = predicted - bound(round(promised * SECOND), more_urgent)
        if over <= 0:
            return None
        why = f"the first token would take {predicted / SECOND:.3g} s, promised are {promised:g} s"
        return Refused(429, over / SECOND, why, "ttft")

    def predicted(self, ask: Ask, priority: int, now: int) -> float:
        """Ticks to the first token if the request came in now; 0 where nothing was measured."""
        names = self.names(ask)
        queued = 0.0
        if self._room(names) <= 0:
            queued = self.meter.ticks(self.queue.ahead(priority) + 1, now) or 0.0
        return queued + self.fleet.patience(names, ask.prompt, now)

    def release(self, now: int) -> None:
        """Let in who can come in now: to be called when a backend has come back, too."""
        closed: set[str] = set()
        while (entry := self.queue.pop(self._fits, closed)) is not None:
            ticket = entry.item
            self.inside[ticket.ask.id] = ticket
            self._unsent[ticket.ask.id] = None
            if ticket.queued:
                self.meter.done(1, now)
            ticket.resolve(Admitted(now - ticket.since))

    def _fits(self, ticket: Ticket) -> bool:
        names = self.names(ticket.ask)
        if ticket.among:
            names = [name for name in names if name in ticket.among]
        return self._room(names) > 0

    def _room(self, names: Sequence[str]) -> int:
        """How many requests more the backends can be sent, those let in but not sent counted."""
        fleet = self.fleet
        for name in [name for name in self._unsent if name in fleet.flights]:
            del self._unsent[name]
        return sum(fleet.backends[name].room for name in names) - len(self._unsent)

    def _overflow(self, ticket: Ticket, now: int) -> None:
        """The queue is too long: the least urgent that came last is refused."""
        worst = self.queue.last().item
        why = f"{len(self.queue) - 1} requests wait already"
        if worst is not ticket:
            why = "more urgent requests have filled the queue"
        self._drop(worst, Refused(429, self._soon(1, now), why, "queue"), now)

    def expire(self, ticket: Ticket, now: int) -> None:
        """A request has waited for as long as it may."""
        if ticket.verdict is None:
            none = not self.names(ticket.ask)
            what = "there was no backend" if none else "no backend had room"
            why = f"{what} for {(now - ticket.since) / SECOND:.3g} s"
            soon = self._soon(self.queue.ahead(ticket.entry.priority), now)
            self._drop(ticket, Refused(503 if none else 429, soon, why, "late"), now)

    def withdraw(self, ticket: Ticket, now: int) -> None:
        """The client of a ticket has gone."""
        if ticket.verdict is None:
            self._drop(ticket, None, now)
        else:
            self.leave(ticket.ask, now)

    def _drop(self, ticket: Ticket, verdict: Refused | None, now: int) -> None:
        """Take a request that waits out of the queue, and give back what it was charged."""
        self.queue.remove(ticket.entry)
        self.meter.gone(1, now)
        tenant = self._tenants[ticket.ask.tenant]
        for kind, rate in tenant.rates.items():
            rate.spend(-1 if kind == "requests" else -ticket.ask.prompt, now)
        self._gone(ticket)
        if verdict is not None:
            ticket.resolve(verdict)

    def token(self, ask: Ask, now: int, count: int = 1) -> None:
        """Tokens of an answer have come: the tenant is charged for them."""
        ticket = self.inside.get(ask.id)
        if ticket is None:
            return
        self.queue.answered(ticket.entry, count)
        rate = self._tenants[ask.tenant].rates.get("tokens")
        if rate is not None:
            rate.spend(count, now)

    def leave(self, ask: Ask, now: int) -> None:
        """An admitted request is over, here and in the fleet; one not inside is passed over."""
        ticket = self.inside.pop(ask.id, None)
        if ticket is not None:
            self.fleet.done(ask.id, now)  # or who waits would see no room
            self._unsent.pop(ask.id, None)
            self._gone(ticket)
            self.release(now)

    def _gone(self, ticket: Ticket) -> None:
        self._tenants[ticket.ask.tenant].here -= 1
        priority = ticket.entry.priority
        self._classes[priority] -= 1
        if not self._classes[priority]:
            del self._classes[priority]

    def _soon(self, places: int, now: int) -> float:
        """Seconds until so many have left the queue, if that is known; else 1."""
        ticks = self.meter.ticks(max(1, places), now)
        return 1.0 if ticks is None else max(0.001, ticks / SECOND)

    def _tenant(self, name: str, now: int) -> _Tenant:
        found = self._tenants.get(name)
        if found is None:
            if len(self._tenants) >= self._many:
                self._tenants = {n: t for n, t in self._tenants.items() if not t.idle(now)}
                self._many = max(_MANY, 2 * len(self._tenants))
            found = self._tenants[name] = _Tenant(self.config.tenant(name), now)
        return found


class Admission:
    """The gate for coroutines. One event loop, no threads."""

    def __init__(
        self,
        config: Config,
        fleet: Fleet,
        names: Callable[[Ask], Sequence[str]],
        clock: Callable[[], int],
    ) -> None:
        """`names` gives the backends that could serve a request now; `clock` the time in ticks."""
        self.gate = Gate(config, fleet, names)
        self._clock = clock
        self._patience = config.bounds.wait
        self._look: asyncio.TimerHandle | None = None

    async def admit(self, ask: Ask, now: int) -> Admitted | Refused:
        """Wait until a request may be sent, or is refused. Whoever is admitted has to `leave`.

        If the coroutine is cancelled while it waits, the request has never been here.
        """
        return await self._verdict(self.gate.offer(ask, now))

    async def again(self, ask: Ask, among: Sequence[str]) -> Admitted | Refused:
        """Wait, as a request that was admitted, until one of the backends `among` has room."""
        return await self._verdict(self.gate.again(ask, among, self._clock()))

    async def _verdict(self, ticket: Ticket) -> Admitted | Refused:
        """What becomes of a request."""
        gate = self.gate
        if ticket.verdict is not None:
            return ticket.verdict
        loop = asyncio.get_running_loop()
        if self._look is None:
            self._look = loop.call_later(_LOOK, self._again)
        known: asyncio.Future[Admitted | Refused] = loop.create_future()
        ticket.wake = lambda verdict: None if known.done() else known.set_result(verdict)
        late = loop.call_later(self._patience, lambda: gate.expire(ticket, self._clock()))
        try:
            return await known
        except asyncio.CancelledError:
            gate.withdraw(ticket, self._clock())
            raise
        finally:
            late.cancel()

    def _again(self) -> None:
        """While requests wait, look now and then whether a backend has come back to life."""
        self._look = None
        self.gate.release(self._clock())
        if len(self.gate.queue):
            self._look = asyncio.get_running_loop().call_later(_LOOK, self._again)

    def token(self, ask: Ask, now: int, count: int = 1) -> None:
        """Tokens of an answer have come."""
        self.gate.token(ask, now, count)

    def leave(self, ask: Ask, now: int | None = None) -> None:
        """An admitted request is over, by whatever end. May be called more than once."""
        self.gate.leave(ask, self._clock() if now is None else now)

    def changed(self, now: int | None = None) -> None:
        """A backend has come or gone: who waits may have room now."""
        self.gate.release(self._clock() if now is None else now)

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self.gate.queue)

    @property
    def inside(self) -> int:
        """Requests that were let in and are not over."""
        return len(self.gate.inside)
