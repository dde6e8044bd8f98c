"""Asking a policy, and what becomes of answers that no engine can follow."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NoReturn

from hocket.core.errors import HocketError, IllegalDecision, RunError
from hocket.serving.roles.batching import Batcher, ReplicaView, Request

LOG = logging.getLogger("vllm.hocket")
"""Below vLLM's own logger, whose handlers and format it shares."""


class Deciding:
    """A batcher whose every failure is told once in the log, by the policy's name, and raised."""

    def __init__(self, batcher: Batcher, policy: str) -> None:
        self._batcher, self.policy = batcher, policy
        self.limits = batcher.limits

    def rank(self, request: Request) -> Any:
        """See Batcher.rank."""
        return self._asked("rank", self._batcher.rank, request)

    def admits(self, view: ReplicaView, request: Request) -> str:
        """See Batcher.admits."""
        why = self._asked("admits", self._batcher.admits, view, request)
        return (
            why
            if isinstance(why, str)
            else self.illegal(
                view.now,
                f"{why!r:.60} about {request.id}",
                "admits answers with a text: empty for yes",
            )
        )

    def victim(self, view: ReplicaView, needy: Request) -> str:
        """See Batcher.victim."""
        name: str = self._asked("victim", self._batcher.victim, view, needy)
        return name

    def finished(self, request: Request) -> None:
        """See Batcher.finished."""
        self._asked("finished", self._batcher.finished, request)

    def illegal(self, now: int, decision: str, why: str) -> NoReturn:
        """Refuse a decision. Raises IllegalDecision."""
        error = IllegalDecision(self.policy, now, decision, why)
        LOG.error("%s; the engine stops", error)
        raise error

    def _asked(self, what: str, question: Callable[..., Any], *about: Any) -> Any:
        try:
            return question(*about)
        except HocketError as error:
            LOG.error("%s failed in %s: %s; the engine stops", self.policy, what, error)
            raise
        except Exception as error:
            message = f"{self.policy} failed in {what}: {type(error).__name__}: {error}"
            LOG.exception("%s; the engine stops", message)
            raise RunError(message) from error
