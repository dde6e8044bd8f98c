"""Planned migration: the policy's rescheduler moves running streams between backends.

Where the simulator copies key-value memory, here a stream is aborted and resumed, its tokens
recomputed (`resume`). Only streams that could be resumed move, and none more often than the config
allows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from hocket.serving.live.gateway.call import Call
from hocket.serving.live.gateway.config import Config
from hocket.serving.live.gateway.decisions import Decider
from hocket.serving.live.gateway.fleet import Fleet
from hocket.serving.live.gateway.logs import Log
from hocket.serving.live.gateway.upstream import Upstreams
from hocket.serving.roles.cluster import Move, Rescheduler

_SHORTEST = 10_000
"""Ticks between two plans at least."""


class Mover:
    """Asks the rescheduler now and then, and tells streams to move."""

    def __init__(
        self,
        config: Config,
        upstreams: Upstreams,
        fleet: Fleet,
        decider: Decider,
        calls: Mapping[str, Call],
        now: Callable[[], int],
        log: Log | None = None,
    ) -> None:
        self.config, self.upstreams, self.fleet = config, upstreams, fleet
        self.calls, self.now, self.log = calls, now, log or Log()
        self._moving: list[Call] = []
        self.rescheduler = decider.policy.rescheduler(decider.facts, decider.streams)

    async def run(self) -> None:
        """Plan for ever; return at once where nothing can be moved."""
        rescheduler = self.rescheduler
        movable = sum(one.config.resume for one in self.upstreams.all.values())
        if rescheduler is None or movable < 2:
            return
        period = rescheduler.period or round(rescheduler.reports * self.config.scrape * 1e6)
        while True:
            await asyncio.sleep(max(period, _SHORTEST) / 1e6)
            try:
                self.plan(rescheduler)
            except Exception as error:  # of a policy: the next plan may be better
                self.log.event("internal error", why=f"{type(error).__name__}: {error}")

    def plan(self, rescheduler: Rescheduler) -> None:
        """Ask once, for each group of backends that serve the same models."""
        now = self.now()
        busy = self._busy()
        for names in self._groups(now):
            for move in rescheduler.plan(self.fleet.view(names, now)):
                if move.source not in busy and move.destination not in busy:
                    self._begin(rescheduler, move, now)

    def _busy(self) -> set[str]:
        """Both ends of migrations under way: each backend is in one at a time."""
        self._moving = [call for call in self._moving if call.destination]
        return {name for call in self._moving for name in (call.source, call.destination)}

    def _groups(self, now: int) -> Iterable[list[str]]:
        groups: dict[frozenset[str], list[str]] = {}
        for name, one in self.upstreams.all.items():
            if one.config.resume and one.takes(now):
                groups.setdefault(frozenset(one.models), []).append(name)
        return [names for names in groups.values() if len(names) > 1]

    def _begin(self, rescheduler: Rescheduler, move: Move, now: int) -> None:
        """Tell the stream that the rescheduler chooses to go; it does with its next token."""
        chosen = rescheduler.choose(self.fleet.replica(move.source, now))
        call = self.calls.get(chosen)
        if call is None or call.story is None or call.moves >= self.config.moves:
            return
        destination = self.upstreams.all[move.destination]
        if not call.story.resumable(destination.longest(call.ask.model)):
            call.source, call.destination = move.source, move.destination
            self._moving.append(call)
            call.entry.reason = move.reason
