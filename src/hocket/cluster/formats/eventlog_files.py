"""Which files a Spark event log is made of.

An application writes one file, or, if the log is rolled, a folder ``eventlog_v2_APPLICATION`` with
files ``events_1_APPLICATION``, ``events_2_...``; of several that were compacted into one only
``events_N_....compact`` and those after it count. A folder may hold logs of many applications.
"""

from __future__ import annotations

import re
import zlib
from pathlib import Path

from hocket.cluster.formats.eventlog_bytes import GZIP, packed
from hocket.core.errors import InputError
from hocket.core.files import display, head

PLAIN = re.compile(rb'\s*\{\s*"Event"\s*:\s*"(SparkListener|org\.apache\.spark\.)')
ROLLED = "eventlog_v2_"
SUFFIXES = (".zstd", ".zst", ".lz4", ".snappy", ".lzf", ".gz")
_PIECE = re.compile(r"events_(\d+)_(.*)")
_HEAD = 4096
_MOST = 10_000
"""So many entries of a folder are looked at."""
_NAMED = 10


def claims(path: Path, start: bytes) -> bool:
    """Whether a Spark event log lies at this path; `start` are its first bytes, if it is a file."""
    if path.is_dir():
        return path.name.startswith(ROLLED) or bool(_inside(path))
    return _is_log(path, start)


def applications(path: Path) -> dict[str, tuple[Path, ...]]:
    """The files of each application at a path, in order. Raises InputError if there are none."""
    if not path.is_dir():
        return {_application(path): (path,)}
    found = {path.name.removeprefix(ROLLED): _pieces(path)} if _rolled(path) else _inside(path)
    if not any(found.values()):
        message = "no Spark event log is in this folder; name one that spark.eventLog.dir names"
        raise InputError(display(path), [message])
    return found


def chosen(path: Path, application: str = "") -> tuple[Path, ...]:
    """The files of the one application at a path, or of that which is named.

    Raises InputError that names those that there are, if it must be said which.
    """
    found = applications(path)
    if application in found:
        return found[application]
    names = sorted(found)
    if not application and len(names) == 1:
        return found[names[0]]
    listed = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
    if application:
        message = f"there is no log of application {application!r}; there is {listed}"
    else:
        first = display(found[names[0]][0] if len(found[names[0]]) == 1 else path / names[0])
        message = (
            f"logs of {len(names)} applications are here, each with cores of its own: {listed}; "
            f"name one, such as {first}"
        )
    raise InputError(display(path), [message])


def missing(pieces: tuple[Path, ...]) -> list[int]:
    """The numbers of files that lack between the pieces of a rolled log, or before them."""
    numbers = [int(m[1]) for piece in pieces if (m := _PIECE.fullmatch(piece.name))]
    if not numbers:
        return []
    first = numbers[0] if pieces[0].name.endswith(".compact") else 1
    return sorted(set(range(first, numbers[-1])) - set(numbers))[:_NAMED]


def _rolled(path: Path) -> bool:
    return path.name.startswith(ROLLED)


def _pieces(folder: Path) -> tuple[Path, ...]:
    """The files of a rolled log in order, from the last compacted one on."""
    numbered = sorted(
        (int(match[1]), not entry.name.endswith(".compact"), entry)
        for entry in _entries(folder)
        if (match := _PIECE.fullmatch(entry.name))
    )
    compact = [number for number, plain, _ in numbered if not plain]
    first = compact[-1] if compact else 0
    return tuple(
        entry
        for number, plain, entry in numbered
        if number > first or (number == first and (not plain or not compact))
    )


def _inside(folder: Path) -> dict[str, tuple[Path, ...]]:
    """The logs in a folder, by application."""
    found: dict[str, tuple[Path, ...]] = {}
    for entry in _entries(folder):
        if entry.is_dir():
            if _rolled(entry):
                found[entry.name.removeprefix(ROLLED)] = _pieces(entry)
        elif not entry.name.startswith((".", "_")):
            try:
                start = head(entry, _HEAD)
            except OSError:
                continue
            if _is_log(entry, start):
                found[_application(entry)] = (entry,)
    return {name: pieces for name, pieces in found.items() if pieces}


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())[:_MOST]
    except OSError as error:
        why = error.strerror or str(error)
        raise InputError(display(folder), [f"cannot be read: {why.lower()}"]) from None


def _is_log(path: Path, start: bytes) -> bool:
    """Whether a file begins as a log does; packed ones are believed by their suffix."""
    if start.startswith(GZIP):
        try:
            start = zlib.decompressobj(wbits=31).decompress(start, _HEAD)
        except zlib.error:
            return False
    if packed(start):
        name = path.name.removesuffix(".compact").removesuffix(".inprogress")
        return name.endswith(SUFFIXES)
    return PLAIN.match(start) is not None


def _application(path: Path) -> str:
    """The application whose log is in a file of this name."""
    name = path.name.removesuffix(".compact").removesuffix(".inprogress")
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    if match := _PIECE.fullmatch(name):
        return match[2]
    return name
