"""Faults that tests order: the next calls that match go wrong in the way that was asked for."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tests.cluster.live.apiserver.calls import Call
from tests.cluster.live.apiserver.errors import ApiError

Act = Literal["answer", "drop", "lose", "truncate", "slow", "before", "expire"]


@dataclass
class Fault:
    """One kind of failure for the next `times` calls that match, after `skip` that are spared."""

    act: Act
    verb: str = ""
    resource: str = ""
    name: str = ""
    times: int = 1
    skip: int = 0
    error: ApiError | None = None
    seconds: float = 0.0
    do: Callable[[], object] | None = None

    def matches(self, call: Call) -> bool:
        return (
            self.verb in ("", call.verb)
            and call.is_of(self.resource)
            and re.search(self.name, call.target.name) is not None
        )


class Faults:
    """The faults that wait for their calls.

    All methods take `verb` and `resource` as in RBAC rules (``create``, ``pods/binding``), `name`
    (a regular expression), `times` and `skip`; left out, they match every call.
    """

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._lock = threading.Lock()

    def status(
        self,
        code: int,
        *,
        retry_after: int | None = None,
        reason: str = "",
        message: str = "ordered by the test",
        verb: str = "",
        resource: str = "",
        name: str = "",
        times: int = 1,
        skip: int = 0,
    ) -> None:
        """Answer with a failure, and do nothing."""
        reason = reason or _REASONS.get(code, "InternalError")
        error = ApiError(code, reason, message, retry_after=retry_after)
        self.add(Fault("answer", verb, resource, name, times, skip, error=error))

    def drop(
        self, *, verb: str = "", resource: str = "", name: str = "", times: int = 1, skip: int = 0
    ) -> None:
        """Close the connection without doing anything."""
        self.add(Fault("drop", verb, resource, name, times, skip))

    def lose(
        self, *, verb: str = "", resource: str = "", name: str = "", times: int = 1, skip: int = 0
    ) -> None:
        """Do what is asked, then close the connection without an answer."""
        self.add(Fault("lose", verb, resource, name, times, skip))

    def truncate(
        self, *, verb: str = "", resource: str = "", name: str = "", times: int = 1, skip: int = 0
    ) -> None:
        """Answer with the first half of the JSON, as if it were all; a watch: of its next event."""
        self.add(Fault("truncate", verb, resource, name, times, skip))

    def slow(
        self,
        seconds: float,
        *,
        verb: str = "",
        resource: str = "",
        name: str = "",
        times: int = 1,
        skip: int = 0,
    ) -> None:
        """Think for so long before answering."""
        self.add(Fault("slow", verb, resource, name, times, skip, seconds=seconds))

    def before(
        self,
        do: Callable[[], object],
        *,
        verb: str = "",
        resource: str = "",
        name: str = "",
        times: int = 1,
        skip: int = 0,
    ) -> None:
        """Let something happen in the cluster just before the call is carried out."""
        self.add(Fault("before", verb, resource, name, times, skip, do=do))

    def expire(self, *, resource: str = "", times: int = 1, skip: int = 0) -> None:
        """Tell watches that their version is too old (410 Gone, as an event)."""
        self.add(Fault("expire", "watch", resource, "", times, skip))

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._waiting.append(fault)

    def clear(self) -> None:
        """Forget all that have not happened."""
        with self._lock:
            self._waiting.clear()

    @property
    def left(self) -> int:
        """How many calls are still to go wrong."""
        with self._lock:
            return sum(fault.times for fault in self._waiting)

    def take(self, call: Call) -> list[Fault]:
        """The faults that this call meets: all that match, each counted down."""
        met = []
        with self._lock:
            for fault in self._waiting:
                if not fault.matches(call):
                    continue
                if fault.skip:
                    fault.skip -= 1
                else:
                    fault.times -= 1
                    met.append(fault)
            self._waiting = [fault for fault in self._waiting if fault.times > 0]
        return met


_REASONS = {
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}
