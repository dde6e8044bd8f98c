"""The backends as the gateway knows them: what they publish, joined with what it counts itself.

A report of an engine is old by the time a request has to be placed, and says how many requests
there are but not which. The gateway knows which ones it has sent, and when each got its first
token, to the instant, but nothing of what other clients send. Together they make the `Load` that
policies ask for:

- *Running* are requests of this gateway with a first token, and those without one that the engine
  cannot have in its queue, as it reports fewer there; all others *wait*. Requests that the engine
  reports beyond those sent from here belong to others: strangers, of mean size.
- *Memory* is what the engine reported, changed by what requests of this gateway have taken and
  given back since, to the block.
- Where an engine publishes nothing, the own counts are all there is, and memory is of the size
  that was configured, else `BLOCKS` blocks of `BLOCK_SIZE` tokens.

Every event costs the same however many requests are under way; lists of requests are made only for
a policy that looks into them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from hocket.serving.live.gateway.parse import Ask
from hocket.serving.live.gateway.prefix import BYTES, IDS, Memory
from hocket.serving.live.gateway.scrape import Gauges
from hocket.serving.live.gateway.shed import Meter
from hocket.serving.roles.batching import Request
from hocket.serving.roles.cluster import Load, Role
from hocket.serving.views import Listed, Snapshot

BLOCKS, BLOCK_SIZE = 4096, 16
"""Memory of an engine that does not tell: 65,536 tokens."""
MEAN_PROMPT = 512
"""Tokens of a stranger's prompt before any request has come through the gateway."""
STALE = 10_000_000
"""Ticks after which a report counts no more: what an engine said so long ago is not so any more."""
UNLIMITED = 2**31
"""The limit of an answer that has none, in tokens."""
_MOST_STRANGERS = 10_000


def request_of(ask: Ask, generated: int = 0) -> Request:
    """What a policy sees of a request, `generated` tokens of which it has had elsewhere."""
    return Request(
        id=ask.id,
        arrival=ask.arrival,
        prompt=ask.prompt,
        generated=generated,
        limit=ask.limit or UNLIMITED,
        priority=ask.priority,
        tenant=ask.tenant,
        expected=ask.expected,
    )


class Sent:
    """A request under way. `held`: blocks that it is counted with; 0 while it waits."""

    __slots__ = ("ask", "backend", "first", "generated", "held", "request", "time", "work")

    def __init__(self, ask: Ask, backend: Backend, generated: int, time: int) -> None:
        self.ask, self.backend, self.generated, self.time = ask, backend, generated, time
        self.request = request_of(ask, generated)
        self.held = 0
        self.first = False  # whether it has had a token here
        # Tokens to compute before that; what is not streamed does not show when it comes.
        self.work = max(1, ask.prompt + generated) if ask.stream else 0

    def now(self) -> Request:
        """The request as it is by now."""
        tokens = self.generated
        if tokens == self.request.generated:
            return self.request
        return self.request._replace(
            generated=tokens, computed=self.request.prompt + tokens - 1, cached=0
        )


class Backend:
    """One engine.

    - `waiting`, `running`: requests of this gateway, in order of sending and of admission
    - `tokens`: of their prompts; `urgent`: running ones of a priority below 0
    - `taken`: blocks counted for the running ones, `base` of which the last report included
    - `sent`: requests sent so far; `strangers`: how many run, and wait, for other clients
    - `in_flight`: most requests of this gateway at a time, 0 for no bound
    - `meter`: how fast prompts get their first tokens
    """

    def __init__(
        self, name: str, pool: str, role: Role, blocks: int, block_size: int, in_flight: int
    ) -> None:
        self.name, self.pool, self.role, self.in_flight = name, pool, role, in_flight
        self.blocks, self.block_size = blocks or BLOCKS, block_size or BLOCK_SIZE
        self.waiting: dict[str, Sent] = {}
        self.running: dict[str, Sent] = {}
        self.tokens = self.urgent = self.taken = self.base = self.sent = 0
        self.strangers = (0, 0)
        self.draining = False
        self.gauges: Gauges | None = None
        self.reported = 0  # when the last report was asked for
        self.used = 0  # blocks, by that report
        self.memory = Memory(self.chunks)
        self.meter = Meter()

    @property
    def room(self) -> int:
        """How many more requests it takes."""
        if not self.in_flight:
            return UNLIMITED
        return max(0, self.in_flight - len(self.waiting) - len(self.running))

    @property
    def chunks(self) -> int:
        """Chunks of prompts that its memory can hold."""
        return max(1, self.blocks * self.block_size // IDS)

    @property
    def free(self) -> int:
        """Blocks that could be taken now."""
        used = self.used + self.taken - self.base
        return min(self.blocks, max(0, self.blocks - used))

    def start(self, sent: Sent) -> None:
        """A request that waited has been admitted."""
        del self.waiting[sent.ask.id]
        self.running[sent.ask.id] = sent
        self.urgent += sent.ask.priority < 0
        self.grow(sent)

    def grow(self, sent: Sent) -> None:
        """Count the blocks of a running request anew."""
        held = -(-(sent.ask.prompt + sent.generated) // self.block_size)
        self.taken += held - sent.held
        sent.held = held

    def leave(self, sent: Sent, now: int) -> None:
        """A request is here no longer."""
        if sent.work and not sent.first:
            self.meter.gone(sent.work, now)
        if self.running.pop(sent.ask.id, None) is not None:
            self.urgent -= sent.ask.priority < 0
        else:
            del self.waiting[sent.ask.id]
        self.tokens -= sent.ask.prompt
        self.taken -= sent.held

    def resize(self, blocks: int, block_size: int) -> None:
        """Memory turns out to be of another size."""
        if (blocks, block_size) == (self.blocks, self.block_size):
            return
        self.blocks, self.block_size = blocks, block_size
        self.memory.resize(self.chunks)
        for sent in self.running.values():
            self.grow(sent)

    def expire(self, now: int) -> None:
        """Count on a report that is too old no more."""
        if self.gauges is not None and now - self.reported > STALE:
            self.strangers = (0, 0)
            self.used = self.base = 0

    def load(self, now: int, mean: int) -> Load:
        """The report on which policies decide."""
        self.expire(now)
        running, waiting = self.strangers
        return Load(
            replica=self.name,
            pool=self.pool,
            role=self.role,
            time=now if self.gauges is None else self.reported,
            block_size=self.block_size,
            blocks=self.blocks,
            free=self.free,
            running=Listed(
                len(self.running) + running, lambda: self.listed(self.running, running, mean)
            ),
            waiting=Listed(
                len(self.waiting) + waiting, lambda: self.listed(self.waiting, waiting, mean)
            ),
            draining=self.draining,
            dispatched=self.sent,
            urgent=self.urgent,
        )

    def listed(self, own: dict[str, Sent], strangers: int, mean: int) -> list[Request]:
        """The requests of one kind, those of others last."""
        found = [sent.now() for sent in own.values()]
        found += [Request(f"stranger-{i}", self.reported, mean) for i in range(strangers)]
        return found


class Fleet:
    """All backends by name, and every request under way. Times are ticks of the gateway's clock."""

    def __init__(self) -> None:
        self.backends: dict[str, Backend] = {}
        self.flights: dict[str, Sent] = {}
        self._prompts = self._asks = 0  # tokens and number of all requests so far

    def add(
        self,
        name: str,
        *,
        pool: str = "engines",
        role: Role = "both",
        blocks: int = 0,
        block_size: int = 0,
        in_flight: int = 0,
    ) -> None:
        """A backend; `blocks` of `block_size` tokens is its memory where it does not tell.

        Backends of one `pool` serve the same model. At most `in_flight` requests are to be sent to
        it at a time, 0 for no bound: see `open`. Raises ValueError if there is one of the name.
        """
        if name in self.backends:
            raise ValueError(f"there already is a backend {name!r}")
        self.backends[name] = Backend(name, pool, role, blocks, block_size, in_flight)

    def remove(self, name: str) -> None:
        """A backend is no more; its requests are to be done with first. Raises KeyError."""
        del self.backends[name]

    def open(self, names: Sequence[str]) -> list[str]:
        """Those of the backends that may be sent another request."""
        return [name for name in names if self.backends[name].room]

    def sent(self, ask: Ask, name: str, now: int, generated: int = 0) -> None:
        """A request goes to a backend, with `generated` tokens of its answer if it comes from one.

        A request that is under way elsewhere is counted there no longer.
        """
        self.done(ask.id, now)
        backend = self.backends[name]
        sent = Sent(ask, backend, generated, now)
        self.flights[ask.id] = backend.waiting[ask.id] = sent
        backend.tokens += ask.prompt
        backend.sent += 1
        if sent.work:
            backend.meter.come(sent.work, now)
        backend.memory.add(ask.prefix)
        if not generated:
            self._prompts += ask.prompt
            self._asks += 1

    def token(self, ask_id: str, now: int, count: int = 1) -> None:
        """Tokens of a request have come; the first shows that it has been admitted."""
        sent = self.flights.get(ask_id)
        if sent is None:
            return
        backend = sent.backend
        sent.generated += count
        if sent.work and not sent.first:
            backend.meter.done(sent.work, now)
        sent.first = True
        if ask_id in backend.waiting:
            backend.start(sent)
        elif sent.ask.prompt + sent.generated > sent.held * backend.block_size:
            backend.grow(sent)

    def done(self, ask_id: str, now: int) -> None:
        """A request is over, by whatever end. One that is not under way is passed over."""
        sent = self.flights.pop(ask_id, None)
        if sent is not None:
            sent.backend.leave(sent, now)

    def scraped(self, name: str, gauges: Gauges, now: int) -> None:
        """A backend's report, asked for at `now`."""
        backend = self.backends[name]
        if backend.gauges is not None and gauges.restarted(backend.gauges):
            backend.memory.clear()
            backend.meter.reset()
        backend.gauges, backend.reported = gauges, now
        backend.resize(gauges.blocks or backend.blocks, gauges.block_size or backend.block_size)
        late = 0  # sent since the engine was asked: it can know nothing of them
        for sent in reversed(backend.waiting.values()):
            if sent.time < now:
                break
            late += 1
        early = len(backend.waiting) - late
        # Engines write their figures once per iteration: who came during one is not among them.
        known = gauges.running + gauges.waiting
        early -= min(early, max(0, len(backend.running) + early - known))
        for sent in list(islice(backend.waiting.values(), max(0, early - gauges.waiting))):
            backend.start(sent)
        waits = min(early, gauges.waiting)
        others = max(0, known - len(backend.running) - waits)
        others = min(others, _MOST_STRANGERS)
        queued = min(others, gauges.waiting - waits)
        backend.strangers = (others - queued, queued)
        if gauges.usage is None:
            size = backend.block_size
            backend.used = backend.taken + (others - queued) * -(-self.mean_prompt // size)
        else:
            backend.used = round(gauges.usage * backend.blocks)
        backend.base = backend.taken

    def restarted(self, name: str, now: int) -> None:
        """A backend has come back after it was gone: its memory is empty.

        One that publishes when it began will tell whether it has begun anew, or was only too busy
        to answer.
        """
        backend = self.backends[name]
        if backend.gauges is not None and backend.gauges.born is not None:
            return
        backend.memory.clear()
        backend.meter.reset()
        backend.strangers, backend.gauges = (0, 0), None
        backend.used = backend.base = 0

    @property
    def mean_prompt(self) -> int:
        """Tokens of a prompt, in the mean of all that came through the gateway."""
        return max(1, round(self._prompts / self._asks)) if self._asks else MEAN_PROMPT

    def patience(self, names: Sequence[str], prompt: int, now: int) -> float:
        """Ticks to the first token of a prompt at the backend where it comes soonest.

        0 if one of them has not been measured yet, which takes streams.
        """
        soonest = None
        for name in names:
            meter = self.backends[name].meter
            ticks = meter.ticks(meter.left + max(1, prompt), now)
            if ticks is None:
                return 0.0
            soonest = ticks if soonest is None else min(soonest, ticks)
        return soonest or 0.0

    def outstanding(self, name: str) -> int:
        """Requests of this gateway that are under way at a backend."""
        backend = self.backends[name]
        return len(backend.waiting) + len(backend.running)

    def cached(self, name: str, ask: Ask) -> int:
        """Tokens of a prompt's beginning that the backend was sent before, by whole chunks."""
        chunks = self.backends[name].memory.match(ask.prefix)
        if ask.exact or not ask.size:
            return min(ask.prompt, chunks * IDS)
        return min(ask.prompt, chunks * BYTES * ask.prompt // ask.size)

    def view(self, names: Sequence[str], now: int, ask: Ask | None = None) -> View:
        """The backends `names` as a policy sees them that has to place `ask`."""
        return View(self, names, now, ask)

    def replica(self, name: str, now: int) -> Snapshot:
        """One backend as a policy sees it that chooses a request to move away."""
        backend = self.backends[name]
        load = backend.load(now, self.mean_prompt)
        return Snapshot(
            now,
            0,
            backend.block_size,
            backend.blocks,
            backend.free,
            lambda: list(load.running),
            lambda: list(load.waiting),
        )


class View:
    """A ClusterView of some backends at one decision."""

    __slots__ = ("_ask", "_fleet", "_loads", "names", "now")

    def __init__(self, fleet: Fleet, names: Sequence[str], now: int, ask: Ask | None) -> None:
        self.now, self.names = now, tuple(names)
        self._fleet, self._ask = fleet, ask
        self._loads: tuple[Load, ...] | None = None

    @property
    def loads(self) -> tuple[Load, ...]:
        """See ClusterView."""
        if self._loads is None:
            fleet = self._fleet
            mean = fleet.mean_prompt
            self._loads = tuple(fleet.backends[name].load(self.now, mean) for name in self.names)
        return self._loads

    def outstanding(self, replica: str) -> int:
        """See ClusterView."""
        return self._fleet.outstanding(replica)

    def outstanding_tokens(self, replica: str) -> int:
        """See ClusterView."""
        return self._fleet.backends[replica].tokens

    def cached(self, replica: str, request: Request) -> int:
        """See ClusterView. Only the request that is being placed can be asked about."""
        ask = self._ask
        return self._fleet.cached(replica, ask) if ask and ask.id == request.id else 0
