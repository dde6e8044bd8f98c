"""Files as bytes and text, read within a limit.

Everything that can be wrong with a file is an InputError that names it and says what to do.
"""

from __future__ import annotations

import difflib
import gzip
import io
import os
import sys
import zlib
from pathlib import Path
from typing import BinaryIO

from hocket.core.errors import InputError

LIMIT = 64 * 2**20
"""The largest input in bytes that is read unless the caller says otherwise."""

STDIN = "-"
_GZIP = b"\x1f\x8b"
_BLOCK = 2**16
_SMALLER = "split it, or load it with limit=BYTES"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def read(path: str | Path, limit: int = LIMIT) -> bytes:
    """The content of a file, of standard input for ``-``, and unpacked if it is gzip.

    Raises InputError if the file is missing (with the nearest names in its folder), a folder, not
    readable, empty, damaged gzip, or larger than `limit` bytes before or after unpacking.
    """
    source = display(path)
    try:
        data = _bytes(path, limit)
    except FileNotFoundError:
        raise InputError(source, [f"no such file{_nearest(Path(path))}"]) from None
    except IsADirectoryError:
        raise InputError(source, ["this is a folder; name a file in it"]) from None
    except PermissionError:
        message = "no permission to read this file; change its mode or its owner"
        raise InputError(source, [message]) from None
    except (OSError, ValueError) as error:
        raise InputError(source, [f"cannot be read: {_reason(error)}"]) from None
    if len(data) > limit:
        raise InputError(source, [f"too large: more than the limit of {_mib(limit)}; {_SMALLER}"])
    if data.startswith(_GZIP):
        data = _unpacked(data, source, limit)
    if not data.strip():
        raise InputError(source, ["the file is empty"])
    return data


def text(path: str | Path, limit: int = LIMIT) -> str:
    """The content of a file as text: UTF-8, with or without byte order mark.

    Raises InputError as `read` does, and for bytes that are no text.
    """
    return decode(read(path, limit), display(path))


def decode(data: bytes, source: str) -> str:
    """UTF-8 bytes as text. Raises InputError that says what the bytes are instead."""
    if data.startswith(_UTF16):
        raise InputError(source, ["the text is UTF-16; save it as UTF-8"])
    try:
        decoded = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"no UTF-8 text: byte {error.start} (line {line}) is 0x{data[error.start]:02x}"
        raise InputError(source, [f"{message}; save the file as UTF-8"]) from None
    if "\0" in decoded:
        raise InputError(source, ["binary data, no text: it holds NUL characters"])
    if not decoded.strip():
        raise InputError(source, ["the file is empty"])
    return decoded


def head(path: str | Path, size: int) -> bytes:
    """The first bytes of a file, as they lie there; raises OSError."""
    with open(path, "rb") as file:
        return file.read(size)


def stem(path: str | Path) -> str:
    """The file's name without folder and suffix: ``ta41`` for ``data/ta41.fjs.gz``."""
    if str(path) == STDIN:
        return ""
    return Path(plain_name(path)).stem


def suffix(path: str | Path) -> str:
    """The lower-case suffix that tells the format: ``.fjs`` for ``ta41.FJS.gz``."""
    return Path(plain_name(path)).suffix.lower()


def plain_name(path: str | Path) -> str:
    """The file's name without folder and without ``.gz``."""
    name = Path(path).name
    return name[:-3] if name.lower().endswith(".gz") else name


def display(path: str | Path) -> str:
    """How messages name this file; bytes of its name that are no text are escaped."""
    name = "standard input" if str(path) == STDIN else str(path)
    return name.encode("utf-8", "backslashreplace").decode()


def exists(path: str | Path) -> bool:
    """Whether something lies at this path; False for text that can be no path."""
    try:
        return os.path.lexists(path)
    except ValueError:
        return False


def _bytes(path: str | Path, limit: int) -> bytes:
    if str(path) == STDIN:
        return _read(sys.stdin.buffer, limit)
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            message = f"too large: {_mib(size)}, above the limit of {_mib(limit)}; {_SMALLER}"
            raise InputError(display(path), [message])
        return _read(file, limit)


def _read(stream: BinaryIO | gzip.GzipFile, limit: int) -> bytes:
    """At most ``limit + 1`` bytes, in blocks: one read may return less than it was asked for."""
    blocks, left = [], limit + 1
    while left > 0 and (block := stream.read(min(_BLOCK, left))):
        blocks.append(block)
        left -= len(block)
    return b"".join(blocks)


def _unpacked(data: bytes, source: str, limit: int) -> bytes:
    """Gzip data unpacked, but never more than the limit of it in memory."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            unpacked = _read(stream, limit)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(source, [f"damaged gzip file: {_reason(error)}"]) from None
    if len(unpacked) > limit:
        message = f"too large: unpacks to more than the limit of {_mib(limit)}; {_SMALLER}"
        raise InputError(source, [message])
    return unpacked


def _nearest(path: Path) -> str:
    """The files of the folder with similar names, as a question."""
    folder = path.parent
    try:
        names = sorted(os.listdir(folder))
    except (OSError, ValueError):
        return f"; there is no folder {folder}"
    near = difflib.get_close_matches(path.name, names, n=3, cutoff=0.6)
    near += [n for n in names if plain_name(n).partition(".")[0] == path.name and n not in near]
    return f"; did you mean {' or '.join(str(folder / n) for n in near[:3])}?" if near else ""


def _reason(error: BaseException) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text.lower() if text else type(error).__name__


def _mib(size: int) -> str:
    return f"{size / 2**20:.0f} MiB" if size >= 2**20 else f"{size} bytes"
