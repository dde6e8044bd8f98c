"""One request while it is served: everything that is known of it, in one place."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal

from hocket.serving.live.gateway.client import Client
from hocket.serving.live.gateway.logs import Entry
from hocket.serving.live.gateway.parse import Ask
from hocket.serving.live.gateway.resume import Story
from hocket.serving.live.gateway.sse import Usage

_SHOWN = 100
"""Characters of a model's name that are logged: clients can ask for anything."""

Cause = Literal["", "client", "drain"]


class Call:
    """A request being served.

    - `entry`: its line in the log; `first`: tick of its first byte to the client
    - `tried`: backends that have failed it; `blamed`: those of them that answered 500
    - `story`: what its stream has said, if it could go on elsewhere; `destination`: where the
      policy wants it to, from `source`, until its next token comes from there
    - `within`: whether the client has had part of an event
    - `stopped`: why it is being ended from outside
    """

    def __init__(self, ask: Ask, client: Client, headers: Sequence[tuple[bytes, bytes]]) -> None:
        self.ask, self.client, self.headers = ask, client, headers
        self.entry = Entry(
            id=ask.id,
            tenant=ask.tenant,
            kind=ask.kind,
            model=ask.model[:_SHOWN],
            stream=ask.stream,
            prompt=ask.prompt,
        )
        self.first: int | None = None
        self.tried: list[str] = []
        self.blamed: list[str] = []
        self.story: Story | None = None
        self.source = self.destination = ""
        self.within = False
        self.stopped: Cause = ""
        self.usage: Usage | None = None
        self._task = asyncio.current_task()

    @property
    def path(self) -> str:
        """The path of its kind."""
        return "/v1/chat/completions" if self.ask.kind == "chat" else "/v1/completions"

    @property
    def moves(self) -> int:
        """How often it has gone on elsewhere."""
        return self.entry.resumed + self.entry.moved

    def counted(self, usage: Usage) -> None:
        """The engine has told how many tokens there were."""
        self.usage = usage
        self.entry.prompt = usage.prompt_tokens or self.entry.prompt
        self.entry.answer = usage.completion_tokens or self.entry.answer

    def stop(self, cause: Cause) -> None:
        """End it from outside."""
        if not self.stopped and self._task is not None:
            self.stopped = cause
            self._task.cancel()

    def stopping(self) -> None:
        """The end has been taken note of; the task may go on to say a last word."""
        if self._task is not None:
            self._task.uncancel()
