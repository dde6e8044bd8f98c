"""API keys, hashed at rest.

A file names tenants and the hashes of their keys, never a key::

    - {tenant: search, hash: "sha256:6f1c...:9b0d..."}

with or without ``keys:`` above them. Keys are long and random, not words that people choose, so
that nobody can go through all of them: a single SHA-256 with a salt protects them as well as a slow
hash would, which every request would have to pay for. A key is compared with all hashes, each in
constant time; keys that were found are remembered, by a hash of their own that this process alone
can compute.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec

from hocket.core import files, structured
from hocket.core.convert import convert, located
from hocket.core.errors import InputError, Problem, UserError

SHORTEST = 20
"""Characters of a key at least: fewer might be found by trying."""
LONGEST = 512
"""Bytes of a key at most, and `MOST` keys in a file, which bounds what a wrong key costs."""
MOST = 4096
_REMEMBERED = 4096
_HASH = re.compile(r"sha256:([0-9a-f]{32}):([0-9a-f]{64})\Z")
_PATH = re.compile(r"(keys(\[\d+\](\.(tenant|hash|note|key))?)?)?\Z")
_SIZE = 2**21


class Key(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One key of a tenant, as `hash_key` wrote it. `note` is for whoever reads the file."""

    tenant: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    hash: str
    note: str = ""


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    keys: Annotated[tuple[Key, ...], msgspec.Meta(max_length=MOST)] = ()

    def problems(self) -> Iterator[Problem]:
        seen: dict[str, int] = {}
        for place, key in enumerate(self.keys):
            path = f"keys[{place}].hash"
            if not _HASH.match(key.hash):  # not told: it may be the key itself
                message = "is no hash; write what `hocket gateway --hash-key` prints, never a key"
                yield Problem(path, message)
            elif seen.setdefault(key.hash, place) != place:
                yield Problem(path, f"the same as keys[{seen[key.hash]}].hash; leave one out")


def new_key() -> str:
    """A key to give to a tenant: 256 random bits."""
    return f"hk-{secrets.token_urlsafe(32)}"


def hash_key(key: str, salt: bytes | None = None) -> str:
    """What stands for a key in a file. Raises UserError for one that is too short, or too long."""
    if len(key) < SHORTEST:
        what = f"a key has at least {SHORTEST} characters, drawn at random"
        raise UserError(f"{what}; make one with `hocket gateway --new-key TENANT`")
    if len(key.encode()) > LONGEST:
        raise UserError(f"a key has at most {LONGEST} bytes")
    salt = secrets.token_bytes(16) if salt is None else salt
    return f"sha256:{salt.hex()}:{_digest(salt, key.encode()).hex()}"


def _digest(salt: bytes, key: bytes) -> bytes:
    return hashlib.sha256(salt + key).digest()


class Keys:
    """The keys of a file, and who they belong to."""

    def __init__(self, path: str | Path) -> None:
        """Raises InputError with everything that is wrong with the file."""
        self.path = Path(path)
        self._entries: tuple[tuple[bytes, bytes, str], ...] = ()
        self._stamp: tuple[int, ...] = ()
        self._pepper = secrets.token_bytes(16)
        self._found: OrderedDict[bytes, str] = OrderedDict()
        self.reload()

    def __len__(self) -> int:
        return len(self._entries)

    def tenant(self, key: str) -> str | None:
        """Whose key it is; None if nobody's."""
        data = key.encode("utf-8", "surrogatepass")
        if len(data) > LONGEST:
            return None
        mark = _digest(self._pepper, data)
        if (known := self._found.get(mark)) is not None:
            self._found.move_to_end(mark)
            return known
        found: str | None = None
        for salt, digest, tenant in self._entries:
            if hmac.compare_digest(_digest(salt, data), digest):
                found = tenant  # and go on: how long it takes shall not tell which it was
        if found is not None:
            self._found[mark] = found
            if len(self._found) > _REMEMBERED:
                self._found.popitem(last=False)
        return found

    def reload(self) -> None:
        """Read the file again. Raises InputError, and keeps the keys that there were."""
        stamp = self._look()
        found = _read(self.path)
        self._entries = tuple(
            (bytes.fromhex(match[1]), bytes.fromhex(match[2]), key.tenant)
            for key in found.keys
            if (match := _HASH.match(key.hash))
        )
        self._stamp = stamp
        self._found.clear()

    def refresh(self) -> bool:
        """Read the file again if it has changed; whether it has. Raises InputError as `reload`."""
        stamp = self._look()
        if stamp == self._stamp:
            return False
        self._stamp = stamp  # what is wrong with it is told once
        self.reload()
        return True

    def _look(self) -> tuple[int, ...]:
        try:
            found = self.path.stat()
        except OSError:
            return ()
        return (found.st_mtime_ns, found.st_size, found.st_ino)


def _read(path: Path) -> _File:
    text, name = files.text(path, _SIZE), files.display(path)
    kind = structured.KINDS.get(files.suffix(path), "yaml")
    above = ""
    try:
        data = structured.parse(text, kind, name)
    except InputError as error:
        message = f"cannot be read as {kind}; see what is written there"
        found = [Problem("", message, problem.line) for problem in error.problems]
        raise InputError(name, found) from None
    if isinstance(data, list):  # entries as they are printed, one after another
        data, above = {"keys": data}, "keys"

    def lines() -> dict[str, int]:
        return {above + path: line for path, line in structured.lines(text, kind).items()}

    try:
        keys = convert(data, _File, source=name, lines=lines)
    except InputError as error:
        raise InputError(name, [_discreet(problem) for problem in error.problems]) from None
    if problems := list(keys.problems()):
        raise InputError(name, located(problems, lines))
    return keys


def _discreet(problem: Problem) -> Problem:
    """The problem without what is written there, which may be a key in the wrong place."""
    path = problem.path
    message, told, _ = problem.message.partition(", got ")
    if _PATH.match(path) is None:
        path, message = "", "unknown field; an entry has tenant, hash and perhaps note"
    elif path.endswith(".key"):
        message = "a key itself; write the hash of it that `hocket gateway --hash-key` prints"
    return Problem(path, f"{message}; never write a key itself" if told else message, problem.line)
