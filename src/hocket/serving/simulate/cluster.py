"""A serving cluster: the front end, the replicas behind it, and what moves between them.

Random numbers: streams ``workload...`` for the requests, ``replica.NAME.breakdowns``, and
``policy...``, so that all policies meet the same requests and the same failures.

What happens at one instant: iterations end (phase FINISH), replicas fail and are repaired, requests
arrive, what was on its way is there and periodic decisions are taken (WAKE), and then iterations
are composed (DECIDE). Loads are so read when every iteration that ends at the instant has ended and
none that begins at it has begun.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

from hocket.core.errors import Deadlock, IllegalDecision, InputError
from hocket.core.kernel import Event, Kernel, Phase
from hocket.core.policy import Policy
from hocket.core.scenario import to_ticks
from hocket.core.streams import Streams
from hocket.core.timeline import Timeline
from hocket.serving import memory
from hocket.serving.model.cluster import Cluster, Pool
from hocket.serving.roles.cluster import Copying, Role, Send
from hocket.serving.roles.policy import Deciders
from hocket.serving.simulate.fast import FastReplica
from hocket.serving.simulate.fleet import FleetView, Member
from hocket.serving.simulate.handover import Handover
from hocket.serving.simulate.live import Live
from hocket.serving.simulate.migration import Migrations
from hocket.serving.simulate.scaling import Scaling
from hocket.serving.simulate.world import Replica


def simulate(
    scenario: Cluster,
    policy: Policy,
    *,
    seed: int = 0,
    kernel: Kernel | None = None,
    replica: Callable[..., Replica] = FastReplica,
) -> Timeline:
    """Play `policy` in the cluster; `replica` makes the replicas (see `simulate.plain`).

    What the timeline holds is listed in `hocket.serving.simulate`. Raises IllegalDecision (naming
    the policy), Deadlock, and InputError for pools that cannot run their model: a scenario to be
    searched may hold such.
    """
    if scenario.search is not None:
        pools = enumerate(scenario.pools)
        if wrong := [p for i, pool in pools for p in memory.problems(f"pools[{i}]", pool)]:
            raise InputError(scenario.name or "scenario", wrong)
    streams = Streams(seed)
    deciders = policy.begin(scenario, streams)
    world = World(
        scenario, deciders, policy.name, streams, kernel or Kernel(scenario.time_unit), replica
    )
    return world.run()


class World:
    """The state of a cluster and the handlers of its events."""

    def __init__(
        self,
        scenario: Cluster,
        deciders: Deciders,
        policy: str,
        streams: Streams,
        kernel: Kernel,
        replica: Callable[..., Replica],
    ) -> None:
        self.scenario, self.deciders, self.policy = scenario, deciders, policy
        self.streams, self.kernel, self._make = streams, kernel, replica
        self.ticks_per_second = float(to_ticks("1 s", scenario.time_unit))
        self.requests = found = scenario.workload.draw(streams, scenario.time_unit)
        self.prefix_block = found.prefix_block if found.prefix else 0
        self.left = len(found)  # requests that are neither finished, rejected nor cancelled
        self.lives: dict[str, Live] = {}  # those under way, by id
        self.members: dict[str, Member] = {}
        self.everyone: list[Replica] = []
        self.pending: list[Live] = []  # nobody could take them yet
        self._periodic = 0  # how many chains of periodic events there are
        self.turn = 0  # of the round robin while the scheduler is down
        self.reports = 0
        rescheduler = deciders.rescheduler
        self.counts_reports = rescheduler is not None and not rescheduler.period
        copying = Copying() if rescheduler is None else rescheduler.copying
        self.slowdown = copying.slowdown
        self.migrations = Migrations(
            self, copying, scenario.link, self._choose, lambda name: self.lives[name]
        )
        self.handover = Handover(self)
        self.scaling = Scaling(self)
        self._numbers = {pool.name: count() for pool in scenario.pools}
        self._choosy = any(pool.serves for pool in scenario.pools)
        self._contexts: dict[str, int] = {}  # the longest by tenant
        lanes = tuple(f"{p.name}-{i}" for p in scenario.pools for i in range(p.count))
        self.timeline = Timeline(scenario.time_unit, lanes)
        self._readings: dict[tuple[str, str], int] = {}
        self._successors: dict[int, list[int]] = {}
        self._patience: dict[int, Event] = {}  # when clients go away, by request
        self._cancels = 0
        self._next = 0  # of the requests that arrive by the clock, or that clients take in turn

    def run(self) -> Timeline:
        """Play until every request is finished, rejected or cancelled."""
        for pool in self.scenario.pools:
            for _ in range(pool.count):
                self.add(pool)
        self._schedule_arrivals()
        if self.deciders.rescheduler is not None and not self.counts_reports:
            self.every(self.deciders.rescheduler.period, self._plan)
        self.scaling.begin()
        if self.scenario.gauge_every:
            self.every(self.scenario.gauge_every, self._sample, Phase.OBSERVE, idle=False)
        self.kernel.run()
        if self.left:
            self._stuck()
        for replica in self.everyone:
            replica.close()
        return self.timeline

    # Requests come and go.

    def _schedule_arrivals(self) -> None:
        for index, before in enumerate(self.requests.follows.tolist()):
            if before >= 0:
                self._successors.setdefault(before, []).append(index)
        arrivals = self.requests.arrival.tolist()
        if self.requests.clients:
            self._next = min(self.requests.clients, len(arrivals))
            timed = list(range(self._next))
        else:
            timed = [index for index, tick in enumerate(arrivals) if tick >= 0]
        self._timed = iter(timed)
        self._arrivals = arrivals
        self._next_arrival()

    def _next_arrival(self) -> None:
        index = next(self._timed, None)
        if index is not None:
            self.kernel.at(self._arrivals[index], self._timely, index, phase=Phase.ARRIVE)

    def _timely(self, index: int) -> None:
        self._next_arrival()
        self._arrive(index)

    def _arrive(self, index: int) -> None:
        """A request reaches the front end."""
        found, now = self.requests, self.kernel.now
        prompt, output, limit = (
            int(column[index]) for column in (found.prompt, found.output, found.limit)
        )
        priority, tenant = int(found.priority[index]), found.tenants[int(found.tenant[index])]
        units = found.prefix[index][: prompt // self.prefix_block] if found.prefix else ()
        longest = self._longest(tenant)
        target = min(output, limit, longest - prompt)
        name = found.name(index)
        expected = int(found.expected[index])
        live = Live(
            index, name, now, prompt, target, limit, priority, tenant, tuple(units), expected
        )
        told = f"{prompt} {output} {limit}"
        if priority or tenant:
            told += f" {priority} {tenant}".rstrip()
        self.timeline.point("arrive", "", name, told, now)
        if target < 1:
            why = f"a prompt of {prompt} tokens leaves no room for an answer in {longest}"
            why = why if longest else f"no pool serves {tenant!r}"
            self.timeline.point("reject", "", name, "", now, why)
            self._gone(live)
            return
        self.lives[name] = live
        self.dispatch(live)
        patience = int(found.cancel[index])
        if patience >= 0:
            self._patience[index] = self.kernel.after(
                patience, self._cancel, live, phase=Phase.WAKE
            )

    def _longest(self, tenant: str) -> int:
        """Tokens that every pool which serves a tenant can hold of a request; 0 without one."""
        if tenant not in self._contexts:
            pools = [p for p in self.scenario.pools if p.count and p.takes(tenant)]
            self._contexts[tenant] = min(map(memory.max_context, pools), default=0)
        return self._contexts[tenant]

    def dispatch(self, live: Live) -> None:
        """Send a request to a replica that computes its prompt, or one that goes on decoding it."""
        if live.leaving:
            self.cancelled(live)
            return
        if live.source is not None and live.source[0].gone:
            live.source, live.computed = None, 0
        roles: tuple[Role, ...] = ("both", "prefill" if live.source is None else "decode")
        able = [m for m in self.members.values() if m.up and m.pool.role in roles]
        if self._choosy or live.source is not None:
            able = [m for m in able if m.pool.takes(live.tenant) and _same_model(m, live)]
        able = [m for m in able if not m.draining] or able
        if not able:
            self.pending.append(live)
            return
        now, request = self.kernel.now, live.request(live.computed, live.generated)
        if self.scheduler_down():
            self.turn += 1
            send = Send(able[self.turn % len(able)].name, "the scheduler is down: round robin")
        else:
            view = FleetView(now, able, self.members, self.migrations.busy, live)
            send = self.deciders.dispatcher.dispatch(view, request)
        member = self.members.get(send.replica)
        if member is None or member not in able:
            why = f"it is none of those that can take it: {', '.join(m.name for m in able)}"
            raise IllegalDecision(self.policy, now, f"to send {live.id} to {send.replica!r}", why)
        member.send(live)
        self.timeline.point("dispatch", member.name, live.id, "", now, send.reason)
        member.replica.enqueue(live)

    def finished(self, live: Live, replica: Replica) -> None:
        """A request has all its tokens."""
        member = self.members[replica.name]
        member.done(live)
        del self.lives[live.id]
        self._gone(live)
        if member.draining:
            self.kernel.after(0, self.scaling.emptied, member, phase=Phase.WAKE)

    def _cancel(self, live: Live) -> None:
        """The client of a request goes away: the request leaves as soon as it can."""
        self._cancels += 1
        live.leaving = self._cancels
        if live in self.pending:
            self.pending.remove(live)
            self.cancelled(live)
            return
        for member in self.members.values():
            if live.index in member.outstanding:
                member.replica.cancel(live)
                return

    def cancelled(self, live: Live, replica: Replica | None = None) -> None:
        """A request whose client has gone has left its replica, or was on none."""
        where = "" if replica is None else replica.name
        self.timeline.point("cancel", where, live.id, str(live.generated), self.kernel.now)
        if live.source is not None:
            source, holding = live.source
            source.let_go(holding)
        del self.lives[live.id]
        if replica is not None:
            member = self.members[replica.name]
            member.done(live)
            if member.draining:
                self.kernel.after(0, self.scaling.emptied, member, phase=Phase.WAKE)
        self._gone(live)

    def _gone(self, live: Live) -> None:
        """A request is over: those that waited for it are sent."""
        self.left -= 1
        if (patience := self._patience.pop(live.index, None)) is not None:
            patience.cancel()
        after = self._successors.get(live.index, [])
        if self.requests.clients and self._next < len(self.requests):
            after = [*after, self._next]
            self._next += 1
        for index in after:
            delay = int(self.requests.delay[index])
            self.kernel.after(delay, self._arrive, index, phase=Phase.ARRIVE)

    # What replicas ask of the world; see World in `world`.

    def first_token(self, live: Live, replica: Replica) -> None:
        """A prompt is complete on a prefill replica: others decode it."""
        self.members[replica.name].done(live)
        self.kernel.after(0, self.dispatch, live, phase=Phase.WAKE)

    def pull(self, live: Live, replica: Replica) -> None:
        """A decode replica has room for a request whose memory is elsewhere."""
        self.handover.pull(live, replica)

    def reported(self, replica: Replica) -> None:
        """An iteration begins: with enough of these, migrations are planned."""
        rescheduler = self.deciders.rescheduler
        self.reports += 1
        up = sum(member.up for member in self.members.values())
        if rescheduler is not None and self.reports >= rescheduler.reports * up:
            self.reports = 0
            self.kernel.after(0, self._plan, phase=Phase.WAKE)

    # Replicas come and go.

    def add(self, pool: Pool) -> Member:
        """A new replica of a pool, at work from now on."""
        name = f"{pool.name}-{next(self._numbers[pool.name])}"
        member = Member(name, pool, self._new(name, pool))
        self.members[name] = member
        if pool.breakdowns is not None:
            rng = self.streams[f"replica.{name}.breakdowns"]
            self._next_failure(member, pool.breakdowns.windows(rng))
        return member

    def _new(self, name: str, pool: Pool) -> Replica:
        batcher = self.deciders.batcher(name, pool)
        cost = pool.cost.model(pool)
        replica = self._make(name, pool, batcher, cost, self, self.slowdown)
        self.everyone.append(replica)
        return replica

    def _next_failure(self, member: Member, windows: Any) -> None:
        for start, end in windows:
            if start >= self.kernel.now:
                self.kernel.at(start, self._fail, member, end, windows, phase=Phase.FAIL)
                return

    def _fail(self, member: Member, until: int, windows: Any) -> None:
        """A replica dies with all that it holds; its requests are sent elsewhere."""
        if not (self.left and member.up):  # all is done, or it has been stopped for good
            return
        lost = self.migrations.failed(member.replica)
        lost += member.replica.fail()
        self.handover.failed(member.replica)
        member.up = False
        member.since = self.kernel.now
        for live in lost:
            member.done(live)
            if live.last_token >= 0 and live.source is None:
                live.killed = self.kernel.now
            generated = str(live.generated)
            self.timeline.point("lost", member.name, live.id, generated, self.kernel.now)
            self.kernel.after(0, self.dispatch, live, phase=Phase.WAKE)
        self.kernel.at(until, self._repair, member, windows, phase=Phase.REPAIR)

    def _repair(self, member: Member, windows: Any) -> None:
        self.timeline.span("down", member.name, "", "", member.since, self.kernel.now)
        if member.draining:
            return
        member.replica = self._new(member.name, member.pool)
        member.up = True
        self._next_failure(member, windows)
        self.welcome()

    def welcome(self) -> None:
        """A replica is up: requests that nobody could take have another chance."""
        pending, self.pending = self.pending, []
        for live in pending:
            self.kernel.after(0, self.dispatch, live, phase=Phase.WAKE)

    # Periodic work.

    def every(
        self,
        period: int,
        action: Callable[[], None],
        phase: Phase = Phase.WAKE,
        *,
        idle: bool = True,
    ) -> None:
        """Call `action` every so many ticks while there are requests, and anything else to come.

        Without `idle`, times at which no replica has a request are passed over.
        """
        self._periodic += 1

        def again() -> None:
            if not self.left:
                return
            action()
            if len(self.kernel) < self._periodic:  # nothing is to come but what is periodic
                self._periodic -= 1
                return
            delay, coming = period, self.kernel.peek()
            if not (idle or coming is None or any(m.outstanding for m in self.members.values())):
                delay *= max(1, -(-(coming - self.kernel.now) // period))
            self.kernel.after(delay, again, phase=phase)

        self.kernel.after(period, again, phase=phase)

    def _sample(self) -> None:
        now = self.kernel.now
        for member in self.members.values():
            if not member.up:
                continue
            for name, value in member.replica.sample().items():
                if self._readings.get((name, member.name)) != value:
                    self._readings[name, member.name] = value
                    self.timeline.gauge(name, member.name, now, value)

    def scheduler_down(self) -> bool:
        """Whether the global scheduler is out of order now."""
        now = self.kernel.now
        return any(start <= now < end for start, end in self.scenario.dispatcher_outages)

    def view(self) -> FleetView:
        """All replicas that are up."""
        members = [member for member in self.members.values() if member.up]
        return FleetView(self.kernel.now, members, self.members, self.migrations.busy)

    def _plan(self) -> None:
        rescheduler = self.deciders.rescheduler
        if rescheduler is None or self.scheduler_down():
            return
        for move in rescheduler.plan(self.view()):
            ends = [self.members.get(name) for name in (move.source, move.destination)]
            if None in ends:
                told = f"to migrate from {move.source!r} to {move.destination!r}"
                raise IllegalDecision(self.policy, self.kernel.now, told, "no such replica")
            source, destination = ends
            assert source is not None and destination is not None
            self.migrations.begin(move, source.replica, destination.replica)

    def _choose(self, view: Any) -> str:
        rescheduler = self.deciders.rescheduler
        return "" if rescheduler is None else rescheduler.choose(view)

    def migrated(self, live: Live, source: Replica, destination: Replica) -> None:
        """A live migration is complete: the destination answers for the request now."""
        self.members[source.name].done(live)
        self.members[destination.name].send(live)
        if self.members[source.name].draining:
            self.scaling.emptied(self.members[source.name])

    def _stuck(self) -> None:
        """Explain why requests are left although nothing happens any more."""
        if self.pending:
            raise Deadlock(
                f"{self.left} requests are left and no replica can take them: every one that could "
                f"has been stopped, or there is none of the role"
            )
        names = sorted(self.lives, key=lambda name: self.lives[name].index)
        told = ", ".join(f"{n} ({self.lives[n].why or 'waiting'})" for n in names[:3])
        raise Deadlock(
            f"{self.policy} leaves {self.left} requests waiting for ever, among them {told}: "
            f"a policy must let the head of the queue in when nothing else is running"
        )


def _same_model(member: Member, live: Live) -> bool:
    """Whether memory that a request has elsewhere, if any, is of this replica's model."""
    return live.source is None or bool(live.source[0].pool.model == member.pool.model)
