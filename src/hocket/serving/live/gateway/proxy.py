"""The way of one request: admitted, sent where the policy says, tried again, and accounted for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from hocket.serving.live.gateway.admission import Admission, Refused
from hocket.serving.live.gateway.answers import event
from hocket.serving.live.gateway.attempt import Attempt, Failed, Moved
from hocket.serving.live.gateway.call import Call
from hocket.serving.live.gateway.config import Config
from hocket.serving.live.gateway.decisions import Decider
from hocket.serving.live.gateway.estimate import Estimator
from hocket.serving.live.gateway.fleet import Fleet
from hocket.serving.live.gateway.logs import Log
from hocket.serving.live.gateway.prometheus import Metrics
from hocket.serving.live.gateway.resume import story_of
from hocket.serving.live.gateway.upstream import Upstream, Upstreams

GONE = 499
"""The status in logs and metrics of a request whose client went away before its end."""
_LAST_WORDS = 5.0
"""Seconds that a client has to take the event that ends its stream."""
_MESSAGES = {
    502: "the inference engine failed; try again",
    503: "no inference engine can take the request now; try again",
    504: "the inference engine did not answer in time; try again",
}


class Proxy:
    """Serves requests that have been parsed."""

    def __init__(
        self,
        config: Config,
        upstreams: Upstreams,
        fleet: Fleet,
        admission: Admission,
        decider: Decider,
        metrics: Metrics,
        log: Log,
        now: Callable[[], int],
    ) -> None:
        """`now` is the gateway's clock in ticks of a microsecond."""
        self.config, self.upstreams, self.fleet = config, upstreams, fleet
        self.admission, self.decider = admission, decider
        self.metrics, self.log, self.now = metrics, log, now
        self.estimator = Estimator()
        self.calls: dict[str, Call] = {}

    async def serve(self, call: Call) -> None:
        """Serve a request to its end, whatever that is. Raises only what cancels the server."""
        self.calls[call.ask.id] = call
        watch = asyncio.create_task(self._watch(call))
        try:
            await self._within(call)
        finally:
            watch.cancel()
            call.destination = ""
            del self.calls[call.ask.id]
            self._account(call)

    async def _watch(self, call: Call) -> None:
        await call.client.gone()
        call.stop("client")

    async def _within(self, call: Call) -> None:
        """Serve within the total time, until it is stopped from outside."""
        try:
            async with asyncio.timeout(self.config.timeouts.total or None):
                await self._admitted(call)
        except TimeoutError:
            await self._end(call, 504, "timeout", "it took longer than any request may")
        except Exception as error:  # of a policy, say: it must not take the server with it
            why = f"{type(error).__name__}: {error}"
            self.log.event("internal error", id=call.ask.id, why=why)
            await self._end(call, 500, "internal_error", "the gateway failed", why=why)
        except asyncio.CancelledError:
            if not call.stopped:
                raise
            call.stopping()
            if call.stopped == "drain":
                await self._end(call, 503, "draining", "the gateway is shutting down; try again")

    async def _admitted(self, call: Call) -> None:
        if not self.upstreams.names(call.ask.model, self.now()):
            await self._failed(call, None)
            return
        verdict = await self.admission.admit(call.ask, self.now())
        if isinstance(verdict, Refused):
            self.metrics.refused(call.ask.tenant, verdict.status)
            call.entry.why = verdict.why
            await call.client.refuse(
                verdict.status,
                verdict.why,
                code="rate_limit_exceeded" if verdict.status == 429 else "overloaded",
                retry_after=verdict.retry_after,
                id=call.ask.id,
            )
            return
        call.entry.queued = self._seconds(call, self.now())
        try:
            await self._dispatched(call)
        finally:
            self.admission.leave(call.ask)

    async def _dispatched(self, call: Call) -> None:
        """Send it to one backend after another until one answers, or all hope is gone."""
        last: Failed | None = None
        moving = ""
        while True:
            started, story = call.client.started, call.story
            if started and story is not None and story.finished:  # it lacks but the end
                await call.client.end(story.ending())
                return
            names = self._candidates(call, last)
            if names and not self.fleet.open(names):
                if not isinstance(await self.admission.again(call.ask, names), Refused):
                    continue
                names = []
            if not names:
                await self._failed(call, last)
                return
            one = self._chosen(call, names, moving)
            path, body = call.path, call.ask.body
            if started and story is not None:
                rest = story.rest(one.longest(call.ask.model))
                if rest is None:
                    await call.client.end(story.ending())
                    return
                path, body = "/v1/completions", rest
            elif one.config.resume:
                call.story = story_of(call.ask)
                body = call.story.first_body() if call.story else body
            else:
                call.story = None
            try:
                await self._attempt(call, one, path, body)
                return
            except Failed as failure:
                last, moving = failure, ""
                self._judged(call, one, failure)
            except Moved as moved:
                last, moving = None, moved.destination

    async def _attempt(self, call: Call, one: Upstream, path: str, body: bytes) -> None:
        now, ask = self.now(), call.ask
        call.entry.backend = one.name
        if not call.client.started:
            call.entry.answer = 0
        one.breaker.began(now)
        one.sent += 1
        self.fleet.sent(ask, one.name, now, call.story.kept if call.story else 0)
        attempt = Attempt(
            call, one, self.upstreams, self.config.timeouts, self.now, lambda n: self._told(call, n)
        )
        try:
            await attempt.run(path, body)
            for name in call.blamed:
                self.upstreams.all[name].breaker.failed(self.now())
        except Failed:
            raise
        except BaseException:
            one.breaker.withdrawn()
            raise
        finally:
            one.sent -= 1
            self.fleet.done(ask.id, self.now())

    def _told(self, call: Call, count: int) -> None:
        """Pieces of an answer have come."""
        call.entry.answer += count
        to = call.destination
        if to and (to == call.entry.backend or to not in self.fleet.open(self._resuming(call))):
            call.destination = ""  # it is there, or cannot go there any more
        now = self.now()
        self.fleet.token(call.ask.id, now, count)
        self.admission.token(call.ask, now, count)

    def _judged(self, call: Call, one: Upstream, failure: Failed) -> None:
        """Remember a failed attempt."""
        self.metrics.failed(one.name, failure.reason)
        call.tried.append(one.name)
        call.destination = ""
        if failure.fault:
            one.breaker.failed(self.now())
        else:
            one.breaker.withdrawn()
            if failure.status == 500:
                call.blamed.append(one.name)
        self.log.event(
            "backend failed",
            id=call.ask.id,
            backend=one.name,
            why=failure.reason,
            breaker=one.breaker.state(self.now()),
        )

    def _candidates(self, call: Call, last: Failed | None) -> list[str]:
        """The backends that it may go to now, whether they have room or not; none if it is lost."""
        if call.client.started:
            return self._resuming(call)
        if last is not None and (not last.again or call.entry.retries >= self.config.retries):
            return []
        return self.upstreams.names(call.ask.model, self.now(), call.tried)

    def _resuming(self, call: Call) -> list[str]:
        """The backends where a stream that has begun could go on."""
        story, ask = call.story, call.ask
        if story is None or call.moves >= self.config.moves:
            return []
        return [
            name
            for name in self.upstreams.names(ask.model, self.now(), call.tried)
            if (one := self.upstreams.all[name]).config.resume
            and not story.resumable(one.longest(ask.model))
        ]

    def _chosen(self, call: Call, names: list[str], moving: str) -> Upstream:
        """Where it goes, of the backends `names`: to `moving`, or where the policy sends it."""
        if moving in names:
            call.entry.moved += 1
            self.metrics.resumed("moved")
            return self.upstreams.all[moving]
        kept = call.story.kept if call.story else 0
        sent = self.decider.choose(call.ask, self.fleet.open(names), self.now(), kept)
        call.entry.reason = sent.reason
        if call.client.started:
            call.destination = ""
            call.entry.resumed += 1
            self.metrics.resumed("failed")
        elif call.tried:
            call.entry.retries += 1
            self.metrics.retried()
        return self.upstreams.all[sent.replica]

    async def _failed(self, call: Call, last: Failed | None) -> None:
        """Tell the client of the last failure, in the words of the engine if it had any."""
        if last is None:
            await self._end(call, 503, "no_backend", _MESSAGES[503])
        elif last.event and call.client.started:
            call.entry.status, call.entry.why = last.status, last.reason
            self.metrics.broken()
            await call.client.end(last.event)
        elif last.answer is not None and not call.client.started:
            call.entry.why = last.reason
            await call.client.answer(last.answer.status, last.answer.headers, last.answer.body)
        else:
            message = _MESSAGES.get(last.status, _MESSAGES[502])
            await self._end(call, last.status, "backend_failed", message, why=last.reason)

    async def _end(
        self, call: Call, status: int, code: str, message: str, *, why: str = ""
    ) -> None:
        """End it with an error of the gateway's own, as far as the client can still be told."""
        call.entry.why = why or message
        client = call.client
        if not client.started:
            retry_after = self.config.health.recovery if status == 503 else None
            await client.refuse(status, message, code=code, retry_after=retry_after, id=call.ask.id)
            return
        if client.ended:
            return
        self.metrics.broken()
        call.entry.status = status
        if call.ask.stream:
            begun = b"\n\n" if call.within else b""
            with suppress(TimeoutError):  # a client that reads nothing holds nothing up
                async with asyncio.timeout(_LAST_WORDS):
                    await client.end(begun + event(status, message, code=code))

    def _account(self, call: Call) -> None:
        """Log it, count it, and learn from it."""
        entry, now = call.entry, self.now()
        entry.status = entry.status or call.client.status
        if call.stopped == "client" and not call.client.ended:
            entry.status = GONE
        entry.e2e = self._seconds(call, now)
        if call.first is not None:
            entry.ttft = self._seconds(call, call.first)
        if call.usage is not None and not call.ask.exact and call.ask.choices == 1:
            self.estimator.learn(call.ask.model, call.ask.size, call.usage.prompt_tokens)
        self.metrics.finished(entry)
        self.log.request(entry)

    def _seconds(self, call: Call, until: int) -> float:
        return round((until - call.ask.arrival) / 1e6, 6)

    def cut(self) -> None:
        """End all streams that are left, each with an event that says so."""
        for call in list(self.calls.values()):
            call.stop("drain")
