"""Lines of a Spark event log, packed or plain, one after another: no log needs to fit in memory.

Spark packs logs with Zstandard, LZ4 or Snappy, the latter two in the block formats of their Java
libraries (``LZ4Block`` of lz4-java, ``SnappyOutputStream`` of snappy-java). What a file is, its
first bytes say.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from hocket.core.errors import InputError
from hocket.core.extras import need
from hocket.core.files import display

BLOCK = 2**18
_STEP = 2**14
"""So much is unpacked at once where a step that is cut off is lost."""
MOST_BLOCK = 2**26
"""The largest packed block that is believed (64 MiB); Spark writes 32 KiB."""
LONGEST_LINE = 2**27
"""The longest event that is believed (128 MiB); plans of queries can have some MiB."""

ZSTD, LZ4, SNAPPY = b"\x28\xb5\x2f\xfd", b"LZ4Block", b"\x82SNAPPY\0"
LZF, GZIP = b"ZV", b"\x1f\x8b"


class CutOff(Exception):
    """The file ends in the middle of a block: what was read so far is all there is."""


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a log that are not blank, numbered from 1.

    The last line may be cut off; a packed file may end in the middle of a block. Both happen when
    an application dies, and whoever reads the lines can tell. Raises InputError for a damaged file
    and for one that cannot be read, MissingExtra if a library for it is missing.
    """
    try:
        with open(path, "rb") as file:
            yield from _split(_unpacked(file, path), path)
    except OSError as error:
        raise InputError(display(path), [f"cannot be read: {error.strerror or error}"]) from None


def packed(head: bytes) -> bool:
    """Whether a file that begins like this is packed in a way of Spark's."""
    return head.startswith((ZSTD, LZ4, SNAPPY, LZF))


def _split(chunks: Iterator[bytes], path: Path) -> Iterator[tuple[int, bytes]]:
    number, length = 0, 0
    parts: list[bytes] = []  # of a line whose end has not come
    for chunk in chunks:
        first, *others = chunk.split(b"\n")
        parts.append(first)
        length += len(first)
        for following in others:
            number += 1
            line = b"".join(parts)
            if line.strip():
                yield number, line
            parts, length = [following], len(following)
        if length > LONGEST_LINE:
            message = f"line {number + 1} is longer than {LONGEST_LINE >> 20} MiB; no event is"
            raise InputError(display(path), [message])
    if (line := b"".join(parts)).strip():
        yield number + 1, line


def _unpacked(file: BinaryIO, path: Path) -> Iterator[bytes]:
    """The bytes of a file, unpacked, up to where it is cut off."""
    head = file.read(8)
    file.seek(0)
    for magic, unpack in _CODECS.items():
        if head.startswith(magic):
            with suppress(CutOff):
                yield from unpack(file, display(path))
            return
    yield from iter(lambda: file.read(BLOCK), b"")


def _zstd(file: BinaryIO, source: str) -> Iterator[bytes]:
    """Frames of Zstandard."""
    arrow = need("pyarrow", "columns")
    stream = arrow.CompressedInputStream(arrow.PythonFile(file, mode="r"), "zstd")
    while True:
        try:
            block = stream.read(_STEP)
        except OSError as error:
            if "truncated" in str(error).lower():
                raise CutOff from None
            raise _damaged(source, "Zstandard", error) from None
        if not block:
            return
        yield block


def _gzip(file: BinaryIO, source: str) -> Iterator[bytes]:
    """Members of gzip."""
    unpack = zlib.decompressobj(wbits=31)
    while data := file.read(BLOCK):
        more = True
        while more:
            try:
                plain = unpack.decompress(data, BLOCK)
            except zlib.error as error:
                raise _damaged(source, "gzip", error) from None
            yield plain
            if unpack.eof:
                data = unpack.unused_data
                unpack = zlib.decompressobj(wbits=31)
                more = bool(data)
            else:
                data = unpack.unconsumed_tail
                more = bool(data) or len(plain) == BLOCK  # there may be more of what came before


def _lz4(file: BinaryIO, source: str) -> Iterator[bytes]:
    """Blocks of lz4-java: magic, token, lengths packed and plain, checksum; then the data."""
    codec = _codec("lz4_raw")
    while head := file.read(21):
        _whole(head, 21)
        token, length, plain, _ = struct.unpack("<xxxxxxxxBIII", head)
        if not head.startswith(LZ4) or max(length, plain) > MOST_BLOCK:
            raise _damaged(source, "LZ4", "a block does not begin as it should")
        data = _whole(file.read(length), length)
        method = token & 0xF0
        if method == 0x20:
            data = _block(codec, data, plain, source, "LZ4")
        elif method != 0x10:
            raise _damaged(source, "LZ4", f"a block is packed by the unknown method {method:#x}")
        if data:
            yield data


def _snappy(file: BinaryIO, source: str) -> Iterator[bytes]:
    """Blocks of snappy-java: a header, then lengths, most significant byte first, and data."""
    codec = _codec("snappy")
    while size := file.read(4):
        if size == SNAPPY[:4]:  # a header; one stands wherever streams were put together
            _whole(file.read(12), 12)
            continue
        (length,) = struct.unpack(">I", _whole(size, 4))
        if length > MOST_BLOCK:
            raise _damaged(source, "Snappy", "a block is too long")
        data = _whole(file.read(length), length)
        yield _block(codec, data, _snappy_length(data, source), source, "Snappy")


def _snappy_length(data: bytes, source: str) -> int:
    """The length of a block when unpacked: its first bytes, seven bits each, the lowest first."""
    length = 0
    for place, byte in enumerate(data[:5]):
        length |= (byte & 0x7F) << (7 * place)
        if byte < 0x80 and length <= MOST_BLOCK:
            return length
    raise _damaged(source, "Snappy", "a block does not begin as it should")


def _lzf(file: BinaryIO, source: str) -> Iterator[bytes]:
    """LZF is refused: nothing that hocket may ask for reads it."""
    message = (
        "packed with LZF, which cannot be read here; let Spark write the log with "
        "spark.eventLog.compression.codec=zstd, or unpack it first"
    )
    raise InputError(source, [message])


_CODECS: dict[bytes, Callable[[BinaryIO, str], Iterator[bytes]]] = {
    ZSTD: _zstd,
    LZ4: _lz4,
    SNAPPY: _snappy,
    LZF: _lzf,
    GZIP: _gzip,
}


def _codec(name: str) -> Any:
    return need("pyarrow", "columns").Codec(name)


def _block(codec: Any, data: bytes, length: int, source: str, kind: str) -> bytes:
    try:
        found: bytes = codec.decompress(data, decompressed_size=length, asbytes=True)
    except (OSError, ValueError) as error:
        raise _damaged(source, kind, error) from None
    return found


def _whole(data: bytes, length: int) -> bytes:
    if len(data) < length:
        raise CutOff
    return data


def _damaged(source: str, kind: str, why: object) -> InputError:
    return InputError(source, [f"damaged {kind} file: {why}; copy it again from where it was made"])
