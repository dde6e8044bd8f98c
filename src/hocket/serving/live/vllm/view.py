"""vLLM's requests in the words of the batching role, and the replica as a policy sees it.

While iterations overlap, the next is composed before the tokens of the one under way are known.
Views then show that one as if it had ended: its tokens count as generated and computed. So a policy
sees what it would see without overlap, except that a request that is about to stop still runs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

from hocket.serving.live.vllm.clock import Clock
from hocket.serving.roles.batching import Request

PLAIN = "VLLM_DISABLE_REQUEST_ID_RANDOMIZATION"
"""vLLM's environment variable with which it keeps the clients' names."""

_MOST = 2**53
_SUFFIX = re.compile(r"(.+)-[0-9a-f]{8}\Z", re.DOTALL)


class Requests:
    """Names and hints of the requests in an engine, by vLLM's own names.

    vLLM appends eight random digits to the name that a client gave; policies see the client's name
    while nobody else has it, so that a record can be compared with another run. Where vLLM was told
    to append nothing (`PLAIN`), nothing is taken off.
    """

    def __init__(self, clock: Callable[[], Clock]) -> None:
        self._clock = clock
        self._plain = os.environ.get(PLAIN, "0") not in ("", "0")
        self._names: dict[str, str] = {}  # by vLLM's name
        self._owners: dict[str, str] = {}  # the other way
        self._fixed: dict[str, tuple[int, int, str, int]] = {}  # arrival, limit, tenant, expected

    def enter(self, request: Any) -> str:
        """Take note of a new request; its name."""
        own = request.request_id
        match = None if self._plain else _SUFFIX.match(own)
        name = match[1] if match else own
        if self._owners.setdefault(name, own) != own:
            name = own
            self._owners[own] = own
        self._names[own] = name
        params = request.sampling_params
        hints = (params and params.extra_args) or {}
        tenant, expected = hints.get("tenant", ""), hints.get("expected_tokens", 0)
        limit = hints.get("limit", 0)
        self._fixed[own] = (
            self._clock().at(request.arrival_time),
            limit if isinstance(limit, int) and limit > request.max_tokens else request.max_tokens,
            tenant if isinstance(tenant, str) else "",
            _whole(expected),
        )
        return name

    def leave(self, request: Any) -> str:
        """Forget a request; the name it had."""
        own: str = request.request_id
        name = self._names.pop(own, own)
        self._owners.pop(name, None)
        self._fixed.pop(own, None)
        return name

    def name(self, request: Any) -> str:
        """The name that policies see."""
        own: str = request.request_id
        return self._names.get(own, own)

    def limit(self, request: Any) -> int:
        """Most tokens that its answer may have, as policies see it.

        A hint may tell more than ``max_tokens``: for trials whose answers are made a known length,
        which no policy is to know.
        """
        return self._fixed[request.request_id][1]

    def seen(self, request: Any, cached: int = 0) -> Request:
        """What a policy may know of a request now; see the module on overlapping iterations."""
        own = request.request_id
        arrival, limit, tenant, expected = self._fixed[own]
        return Request(
            self._names[own],
            arrival,
            request.num_prompt_tokens,
            request.num_computed_tokens,
            request.num_output_tokens + request.num_output_placeholders,
            cached,
            limit,
            request.priority,
            tenant,
            request.num_preemptions,
            expected,
        )


def _whole(hint: Any) -> int:
    """A number of tokens that a client sent, 0 if it is none."""
    number = isinstance(hint, int | float) and not isinstance(hint, bool)
    return int(hint) if number and 0 < hint < _MOST else 0
