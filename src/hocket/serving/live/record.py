"""The record of a live run: what one engine, or a gateway, was asked and decided, line by line.

A record is a file of JSON lines, written as things happen, so that a run that is killed keeps what
it had. Times are microseconds on one monotonic clock since the record began. It holds no text of
prompts or answers, only how many tokens they have and, where asked for, digests of their blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import IO, Any

import msgspec

from hocket.core.errors import InputError, Problem, UserError
from hocket.core.writing import require_place

VERSION = 1
"""Of the format. A record of another version is refused."""


class _Line(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", omit_defaults=True):
    """One line of a record."""


class Began(_Line, frozen=True, kw_only=True, tag="began"):
    """The first line: the engine, and the policy that composes its iterations.

    - `policy`: as `hocket` reads it, a mapping with its name and fields; empty for the engine's own
    - `engine`: what it is, such as ``vllm 0.32.0``; `model`: what it serves
    - `block_size`: tokens per block; `blocks`: how many; `max_context`: prompt and answer together
    - `tokens`, `seqs`: the engine's own bounds of an iteration
    - `prefix_cache`: whether blocks are shared; `overlapped`: whether the next iteration is
      composed while one is under way
    - `seed`: of the policy's random numbers; `unix`: when the record began, seconds since 1970
    - `version`: of the format
    """

    policy: dict[str, Any] = {}
    engine: str = ""
    model: str = ""
    block_size: int = 16
    blocks: int = 1
    max_context: int = 2**31
    tokens: int = 2048
    seqs: int = 256
    prefix_cache: bool = False
    overlapped: bool = False
    seed: int = 0
    unix: float = 0.0
    version: int = VERSION


class Asked(_Line, frozen=True, kw_only=True, tag="asked"):
    """A request has reached the scheduler at `at`; its client sent it at `arrival`.

    `prefix`: digests of the prompt's whole blocks, equal for equal tokens from the start up to
    there. The other fields are those of roles.batching.Request.
    """

    id: str
    at: int
    arrival: int
    prompt: int
    limit: int = 2**31
    priority: int = 0
    tenant: str = ""
    expected: int = 0
    prefix: tuple[int, ...] = ()


class Step(_Line, frozen=True, kw_only=True, tag="step"):
    """One iteration.

    - `n`: its number, from 0; `at`: when it was composed; `end`: when its tokens were there
    - `tokens`: tokens that each request computes in it, in the order of composition
    - `cached`: of those that came in, tokens that the prefix cache spared
    - `preempted`: who gave way before it, in order; `reasons`: the policy's word on a request that
      gave way or had to wait
    - `free`: blocks left after its memory was taken; `running`, `waiting`: how many requests
    """

    n: int
    at: int
    end: int
    tokens: dict[str, int]
    cached: dict[str, int] = {}
    preempted: tuple[str, ...] = ()
    reasons: dict[str, str] = {}
    free: int = 0
    running: int = 0
    waiting: int = 0


class Finished(_Line, frozen=True, kw_only=True, tag="finished"):
    """A request has left; `why` is ``length``, ``stop``, ``abort`` or ``error``."""

    id: str
    at: int
    generated: int
    why: str = "length"


Line = Began | Asked | Step | Finished

_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Line)


class Writer:
    """Appends lines to a file, each of which is complete once written.

    A record that is there already is kept: an engine that died and is started again must not write
    over what tells why. It gets the next free name, such as ``run-1.jsonl``.
    """

    def __init__(self, path: Path) -> None:
        """Raises UserError if nothing can be written there."""
        require_place(path)
        try:
            if path.is_file() and path.stat().st_size:
                path.rename(_free(path))
            self._file: IO[bytes] = path.open("wb")
        except OSError as error:
            raise UserError(f"{path}: cannot be written: {error.strerror}") from None

    def write(self, line: Line) -> None:
        """Append a line. It reaches the file at once or with the next `flush`."""
        self._file.write(_ENCODER.encode(line) + b"\n")

    def flush(self) -> None:
        """Let others read what has been written."""
        self._file.flush()

    def close(self) -> None:
        """Finish the file."""
        self._file.close()


def _free(path: Path) -> Path:
    """The first name beside `path` that nothing has."""
    names = (path.with_name(f"{path.stem}-{n}{path.suffix}") for n in count(1))
    return next(name for name in names if not name.exists())


def read(path: Path) -> Iterator[Line]:
    """The lines of a record. A last line that was cut short is left out.

    Raises UserError if the file cannot be read, InputError if a line is none of a record.
    """
    try:
        with path.open("rb") as file:
            for number, text in enumerate(file, start=1):
                try:
                    yield _DECODER.decode(text)
                except msgspec.DecodeError as error:
                    if not text.endswith(b"\n"):
                        return
                    message = f"{error}; records are written by hocket live and the vLLM scheduler"
                    raise InputError(str(path), [Problem(f"line {number}", message)]) from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
