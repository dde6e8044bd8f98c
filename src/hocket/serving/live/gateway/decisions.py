"""Where a request goes: the gateway's decision, its record, and the proof that it can be repeated.

The dispatcher of a policy is asked in the same role as in the simulator, with the same facts and
the same streams of random numbers. A record holds every question and every answer. Replaying asks a
fresh dispatcher of the same policy and seed the same questions; whatever it answers otherwise, or
looks at in addition, is a difference.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import msgspec

from hocket.core.errors import HocketError, IllegalDecision, InputError, UserError
from hocket.core.load import load_policy
from hocket.core.policy import Policy, spec
from hocket.core.streams import Streams
from hocket.core.writing import require_place
from hocket.serving.live.gateway.fleet import Fleet, request_of
from hocket.serving.live.gateway.limits import SECOND
from hocket.serving.live.gateway.parse import Ask
from hocket.serving.live.gateway.questions import Began, NotAsked, Recalled, Seen, lines
from hocket.serving.roles import facts
from hocket.serving.roles.cluster import Send
from hocket.serving.roles.policy import ServingPolicy

LONGEST = 2**30
"""Bytes of a record: what comes after is not written, and the record ends there."""


class Decider:
    """Asks the policy's dispatcher, and writes down what it was asked if there is a `record`."""

    def __init__(
        self,
        policy: Policy,
        fleet: Fleet,
        *,
        seed: int = 0,
        models: Mapping[str, str] | None = None,
        record: Path | None = None,
    ) -> None:
        """`models` says what the backends of each pool serve.

        Raises UserError for a policy that does not dispatch, or a record that cannot be written.
        """
        self.policy, self.fleet = serving(policy), fleet
        told = dict(models or {})
        self.facts = facts.Fleet(second=SECOND, models=told)
        self.streams = Streams(seed)
        self.dispatcher = self.policy.dispatcher(self.facts, self.streams)
        self._encoder = msgspec.json.Encoder()
        self._file: IO[bytes] | None = None
        self._left = LONGEST
        self.lost = ""  # why the record ends before the gateway does
        if record is not None:
            self._file = _opened(record)
            self._write(Began(policy=_found_again(self.policy), seed=seed, models=told))

    def choose(self, ask: Ask, names: Sequence[str], now: int, generated: int = 0) -> Send:
        """Where a request goes, one of the backends `names`; `generated` tokens it already has.

        Raises IllegalDecision, which names the policy, if it sends it anywhere else.
        """
        request = request_of(ask, generated)
        view = self.fleet.view(names, now, ask)
        if self._file is None:
            send = self.dispatcher.dispatch(view, request)
            legal = send.replica in names
        else:
            seen = Seen(view)
            send = self.dispatcher.dispatch(seen, request)
            legal = send.replica in names
            self._write(seen.line(request, send, illegal=not legal))
        if not legal:
            why = f"it is none of those that can take it: {', '.join(names)}"
            what = f"to send {ask.id} to {send.replica!r}"
            raise IllegalDecision(self.policy.name, now, what, why)
        return send

    def _write(self, line: msgspec.Struct) -> None:
        if self._file is not None:
            text = self._encoder.encode(line) + b"\n"
            self._left -= len(text)
            if self._left < 0:
                self.lost = "it is as long as a record may be"
                self.close()
                return
            try:
                self._file.write(text)
            except OSError as error:
                self._give_up(error)

    def flush(self) -> None:
        """Let others read the record as far as it goes."""
        if self._file is not None:
            try:
                self._file.flush()
            except OSError as error:
                self._give_up(error)

    def close(self) -> None:
        """Finish the record."""
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """A full disk ends the record, not the gateway."""
        self.lost = error.strerror or str(error)
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                file.close()


def serving(policy: Policy) -> ServingPolicy:
    """The policy itself, if it can dispatch. Raises UserError."""
    if not isinstance(policy, ServingPolicy):
        raise UserError(f"{policy.name} dispatches no requests; serving/llumnix is one that does")
    return policy


def _found_again(policy: Policy) -> dict[str, Any]:
    """The policy as plain data that load again, also if it is from a file of the user's own."""
    data, kind = spec(policy), type(policy)
    try:
        load_policy(data)
    except HocketError:
        file = getattr(sys.modules.get(kind.__module__), "__file__", None)
        if file is not None:
            data["policy"] = f"{Path(file).resolve()}:{kind.__name__}"
    return data


def _opened(path: Path) -> IO[bytes]:
    require_place(path)
    try:
        return path.open("wb")
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What came of asking again.

    `different` counts decisions that came out otherwise, `first` tells the first of them.
    """

    policy: str
    seed: int
    decisions: int
    different: int
    first: str = ""

    @property
    def identical(self) -> bool:
        """Whether every decision came out as before."""
        return not self.different


def replay(path: Path, policy: Policy | None = None) -> Replayed:
    """Ask the recorded policy, or this one, the recorded questions again.

    Raises UserError if the file cannot be read, InputError if it is no such record, and what
    loading the policy raises. A last line that was cut short is left out.
    """
    found = lines(path)
    began = next(found, None)
    if not isinstance(began, Began):
        message = "does not begin with a policy; it is no record of `hocket gateway`"
        raise InputError(str(path), [message])
    asked = serving(load_policy(began.policy) if policy is None else policy)
    told = facts.Fleet(second=began.second, models=began.models)
    dispatcher = asked.dispatcher(told, Streams(began.seed))
    count = different = 0
    first = ""
    for line in found:
        if isinstance(line, Began):
            raise InputError(str(path), ["begins a second time; records cannot be joined"])
        count += 1
        try:
            send = dispatcher.dispatch(Recalled(line), line.request)
        except NotAsked as error:
            now = str(error)
        except Exception as error:  # of a policy: that it fails is a difference like any other
            now = f"now it fails: {type(error).__name__}: {error}"
        else:
            if send == Send(line.replica, line.reason):
                continue
            now = f"now to {send.replica} ({send.reason})"
        different += 1
        if not first:
            before = f"{line.replica} ({line.reason})"
            first = f"{line.request.id} at tick {line.at} went to {before}; {now}"
    return Replayed(
        policy=str(asked), seed=began.seed, decisions=count, different=different, first=first
    )
