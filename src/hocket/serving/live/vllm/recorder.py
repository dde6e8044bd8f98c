"""Writes a live run down, without the engine waiting for the disk."""

from __future__ import annotations

import atexit
import logging
import threading
from collections import deque
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import msgspec

from hocket.serving.live.record import Asked, Began, Finished, Line, Step, Writer

if TYPE_CHECKING:
    from hocket.serving.live.vllm import state

MOST_BEHIND = 100_000
"""Lines that may wait for the disk before the record is given up."""

_MOST = 2**31
"""What a record's numbers of tokens and priorities are cut to."""

_WHY = {
    "FINISHED_STOPPED": "stop",
    "FINISHED_REPETITION": "stop",
    "FINISHED_LENGTH_CAPPED": "length",
    "FINISHED_IGNORED": "length",
    "FINISHED_ABORTED": "abort",
}


class Recorder:
    """Makes the lines of a record from what a scheduler does; times are those of its clock.

    An iteration is written when its tokens have come, the one of an engine that is stopped never.
    """

    def __init__(
        self, path: Path, began: Began, now: state.State, log: logging.Logger, *, per: int = 1
    ) -> None:
        """Begin the file; `per` hashes of vLLM's stand for one block.

        Raises UserError if nothing can be written there.
        """
        self._state, self._per = now, per
        self._digests = began.prefix_cache
        self._lines = Lines(path, log)
        self._lines.put(began)
        self._under_way: deque[tuple[Any, Step]] = deque()  # two, where iterations overlap

    def asked(self, request: Any) -> None:
        """A request has come."""
        seen = self._state.requests.seen(request)
        blocks = request.num_prompt_tokens // self._state.memory.block_size
        self._lines.put(
            Asked(
                id=seen.id,
                at=self._state.clock.now(),
                arrival=seen.arrival,
                prompt=seen.prompt,
                limit=min(seen.limit, _MOST),  # clients may have sent any number
                priority=max(-_MOST, min(seen.priority, _MOST)),
                tenant=seen.tenant,
                expected=seen.expected,
            ),
            tuple(request.block_hashes[self._per - 1 :: self._per][:blocks])
            if self._digests
            else (),
        )

    def composed(self, step: state.Step, output: Any, requests: dict[str, Any]) -> None:
        """An iteration was composed, of which `output` is what vLLM has made."""
        now, name = self._state, self._state.requests.name
        line = Step(
            n=now.iterations,
            at=now.now,
            end=now.now,
            tokens={name(requests[own]): n for own, n in output.num_scheduled_tokens.items()},
            cached={name(one): tokens for one, tokens in step.cached.items() if tokens},
            preempted=tuple(step.victims),
            reasons=step.reasons,
            free=now.memory.free,
            running=len(now.running),
            waiting=now.crowd_waiting,
        )
        self._under_way.append((output, line))

    def ended(self, output: Any) -> None:
        """The tokens of an iteration are there."""
        if self._under_way and self._under_way[0][0] is output:
            _, line = self._under_way.popleft()
            self._lines.put(msgspec.structs.replace(line, end=self._state.clock.now()))

    def finished(self, request: Any) -> None:
        """A request has left."""
        self._lines.put(
            Finished(
                id=self._state.requests.name(request),
                at=self._state.clock.now(),
                generated=request.num_output_tokens,
                why=_WHY.get(request.status.name, "error"),
            )
        )

    def close(self) -> None:
        """Write what is left and finish the file."""
        self._lines.close()


class Lines:
    """Lines on their way to a file, which a thread writes as they come.

    Where that fails, as on a full disk, the record ends, with one line in the log, and the engine
    goes on.
    """

    def __init__(self, path: Path, log: logging.Logger) -> None:
        self._path, self._log = path, log
        self._writer = Writer(path)
        self._waiting: SimpleQueue[tuple[Line, tuple[bytes, ...]] | None] = SimpleQueue()
        self._ended = False
        self._thread = threading.Thread(target=self._write, name="hocket record", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def put(self, line: Line, blocks: tuple[bytes, ...] = ()) -> None:
        """Write a line soon; with the hashes of a prompt's blocks, if it has any."""
        if self._ended:
            return
        if self._waiting.qsize() >= MOST_BEHIND:
            self._end("the disk does not keep up")
            return
        self._waiting.put((line, blocks))

    def close(self) -> None:
        """Write what waits, then finish the file; at most a few seconds are spent on it."""
        atexit.unregister(self.close)
        self._ended = True
        self._waiting.put(None)
        self._thread.join(timeout=5)

    def _write(self) -> None:
        try:
            while (entry := self._waiting.get()) is not None:
                line, blocks = entry
                if blocks and isinstance(line, Asked):
                    line = msgspec.structs.replace(line, prefix=tuple(map(digest, blocks)))
                self._writer.write(line)
                if self._waiting.empty():
                    self._writer.flush()
            self._writer.close()
        except OSError as error:
            self._end(error.strerror or str(error))
        except (ValueError, OverflowError) as error:  # what no reader of JSON could take
            self._end(str(error))

    def _end(self, why: str) -> None:
        self._ended = True
        self._log.error("%s: the record ends here: %s; the engine goes on", self._path, why)


def digest(block: bytes) -> int:
    """A number for a block's hash, small enough for any reader of JSON that knows 64 bits."""
    return int.from_bytes(block[:8], "big") >> 1
