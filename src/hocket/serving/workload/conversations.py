"""Conversations of several turns, each of which sends the whole history again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec
import numpy as np

from hocket.core.disturb.noise import Noise
from hocket.core.errors import Problem
from hocket.core.scenario import Ticks, TimeUnit
from hocket.core.streams import Streams
from hocket.serving.model.requests import Ints, Requests, requests
from hocket.serving.workload.arrivals import Arrivals, arrival_problems, arrival_times
from hocket.serving.workload.lengths import Distribution, Geometric, Tokens
from hocket.serving.workload.synthetic import (
    Count,
    Tenant,
    drawn_tenants,
    tenant_problems,
    think_times,
)


class Conversations(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="kind",
    tag="conversations",
):
    """Users who read an answer, think, and ask again, with all that was said before as the prompt.

    - `count`: conversations; `arrivals`: when they begin
    - `turns`: requests per conversation; `prompt`: new tokens of each; `output`: of its answer
    - `system`: tokens that open every conversation, the same in all
    - `think`: mean ticks from the end of an answer to the next turn, multiplied by `noise` if any
    - `longest`: a conversation ends before the turn whose prompt and answer would exceed so many
      tokens; its first turn is always sent
    - `prefix_block`: prompts share what they begin with in blocks of so many tokens
    - `tenants`: whose conversations they are
    """

    count: Count
    arrivals: Arrivals
    prompt: Distribution
    output: Distribution
    turns: Distribution = Geometric(mean=5.5)
    system: Annotated[int, msgspec.Meta(ge=0, le=10**7)] = 0
    think: Ticks = 0
    noise: Noise | None = None
    longest: Tokens | None = None
    prefix_block: Tokens = 16
    tenants: tuple[Tenant, ...] = (Tenant(),)

    def problems(self, path: str) -> Iterator[Problem]:
        """What is wrong beyond types."""
        yield from arrival_problems(self.arrivals, self.count, f"{path}.arrivals")
        for name in ("prompt", "output", "turns"):
            yield from getattr(self, name).problems(f"{path}.{name}")
        yield from tenant_problems(self.tenants, f"{path}.tenants")

    def draw(self, streams: Streams, unit: TimeUnit) -> Requests:
        """The requests of one run, conversation by conversation."""
        begin = arrival_times(self.arrivals, streams["workload.arrivals"], self.count, unit)
        talk, turn, prompt, output = self._turns(streams)
        first = turn == 0
        tenant = drawn_tenants(self.tenants, streams, self.count)[talk]
        priorities = np.array([one.priority for one in self.tenants], dtype=np.int64)
        names = zip(talk.tolist(), turn.tolist(), strict=True)
        return requests(
            arrival=np.where(first, begin[talk], -1),
            prompt=prompt,
            output=output,
            priority=priorities[tenant],
            tenant=tenant,
            tenants=tuple(one.name for one in self.tenants),
            follows=np.where(first, -1, np.arange(len(talk)) - 1),
            delay=np.where(first, 0, think_times(self.think, self.noise, streams, len(talk))),
            prefix=self._prefixes(talk, first, prompt),
            prefix_block=self.prefix_block,
            names=tuple(f"c{which}.{position}" for which, position in names),
        )

    def _turns(self, streams: Streams) -> tuple[Ints, Ints, Ints, Ints]:
        """For each request its conversation, its turn from 0, its prompt and its answer."""
        turns = self.turns.draw(streams["workload.turns"], self.count)
        talk = np.repeat(np.arange(self.count), turns)
        begins = np.repeat(np.cumsum(turns) - turns, turns)
        turn = np.arange(len(talk)) - begins
        text = self.prompt.draw(streams["workload.prompt"], len(talk))
        answer = self.output.draw(streams["workload.output"], len(talk))
        said = np.concatenate([[0], np.cumsum(text + answer)])
        prompt = self.system + said[:-1] - said[begins] + text
        if self.longest is None:
            return talk, turn, prompt, answer
        # What is said only grows: the turns that fit are the first ones of a conversation.
        kept = (turn == 0) | (prompt + answer <= self.longest)
        return talk[kept], turn[kept], prompt[kept], answer[kept]

    def _prefixes(self, talk: Ints, first: Ints, prompt: Ints) -> tuple[tuple[int, ...], ...]:
        """The ids of the whole blocks of every prompt.

        Blocks within the common opening have the ids from 0 on in every conversation; the others
        belong to one conversation, whose longest prompt, the last, holds them all.
        """
        whole = prompt // self.prefix_block
        common = min(self.system // self.prefix_block, int(whole.max()))
        lasts = np.append(np.flatnonzero(first)[1:], len(talk)) - 1
        own = np.maximum(whole[lasts] - common, 0)
        begins = common + np.cumsum(own) - own
        opening = tuple(range(common))
        ids = [
            opening + tuple(range(begin, begin + size))
            for begin, size in zip(begins.tolist(), own.tolist(), strict=True)
        ]
        return tuple(
            ids[which][:size] for which, size in zip(talk.tolist(), whole.tolist(), strict=True)
        )
