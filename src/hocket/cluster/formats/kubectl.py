"""What ``kubectl get nodes,pods,pdb -A -o json`` prints, and manifests in YAML."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from hocket.cluster.formats.kubernetes_json import objects
from hocket.cluster.formats.kubernetes_snapshot import Snapshot
from hocket.cluster.formats.kubernetes_write import write
from hocket.cluster.model.pods import Pods
from hocket.core import files, structured
from hocket.core.convert import located
from hocket.core.domain import Format
from hocket.core.errors import InputError, Problem

LARGE = 8 * 2**20
"""From so many bytes JSON is read in blocks, packed JSON from a twentieth of it."""

LARGEST_YAML = 32 * 2**20
"""YAML of more bytes is refused: it takes twenty times as long as JSON, and all of it at once."""

_GZIP = b"\x1f\x8b"
_API = re.compile(r'"apiVersion"\s*:\s*"')
_LISTED = re.compile(r'"(items|metadata|kind)"\s*:')
_YAML = re.compile(r"^(?:- )?(apiVersion|kind):[ \t]*\S", re.MULTILINE)
_MARKER = re.compile(r"^(?:---|\.\.\.)(?=\s|$)", re.MULTILINE)


def sniff(name: str, head: str) -> bool:
    """Whether the text opens as an object of the Kubernetes API does, in JSON or YAML."""
    if _opens_json(head):
        return bool(_API.search(head)) and bool(_LISTED.search(head))
    found = {match[1] for match in _YAML.finditer(head)}
    return found == {"apiVersion", "kind"} or (found == {"apiVersion"} and "\nitems:" in head)


def read(text: str, name: str) -> Pods:
    """The cluster. Raises InputError with every problem, its path, its object and its line.

    Documents in YAML are parted by lines ``---``; some of them may be JSON, so that manifests can
    be put behind a snapshot.
    """
    if _opens_json(text) and not _MARKER.search(text):
        try:
            return _of_json(io.StringIO(text.removeprefix("\ufeff")), name)
        except InputError as error:
            found = located(error.problems, partial(structured.lines, text, "json"))
            raise InputError(name, found) from None
    snapshot = Snapshot(name)
    documents = list(_documents(text))
    for i, (document, line) in enumerate(documents):
        prefix = f"documents[{i}]" if len(documents) > 1 else ""
        try:
            data = structured.parse(document, _language(document), name)
        except InputError as error:
            raise InputError(name, [_moved(p, line) for p in error.problems]) from None
        before = len(snapshot.trouble.problems)
        for j, one in enumerate(data if isinstance(data, list) else [data]):
            where = f"{prefix}[{j}]" if isinstance(data, list) else prefix
            if one is not None:
                snapshot.take(one, where)
        _locate(snapshot, before, prefix, document, line)
    return snapshot.scenario(files.stem(name))


def claims(path: Path, head: bytes) -> bool:
    """Whether a file is a snapshot that is too large to be read at once."""
    try:
        size = path.stat().st_size if path.is_file() else 0
    except OSError:
        return False
    if head.startswith(_GZIP):
        size *= 20
        try:
            head = zlib.decompressobj(31).decompress(head)
        except zlib.error:
            return False
    text = head.decode("utf-8", "replace")
    large = LARGE if _opens_json(text) else LARGEST_YAML
    return size >= large and sniff(path.name, text)


def stream(path: Path) -> Pods:
    """The cluster in a file of any size, in memory that grows with its pods and nodes alone.

    Raises InputError as `read` does, with lines only where the text is no JSON; YAML is refused.
    """
    source = files.display(path)
    try:
        with _opened(path) as file:
            if _opens_json(file.read(4096)):
                file.seek(0)
                return _of_json(file, source)
    except UnicodeDecodeError as error:
        told = f"no UTF-8 text: {error.reason}, 0x{error.object[error.start]:02x}"
        raise InputError(source, [f"{told}; save the file as UTF-8"]) from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(source, [f"cannot be read: {error}; write the file again"]) from None
    told = f"YAML of more than {LARGEST_YAML // 2**20} MiB is not read"
    raise InputError(source, [f"{told}; write JSON: kubectl get nodes,pods,pdb -A -o json"])


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    packed = files.head(path, 2) == _GZIP
    with gzip.open(path, "rb") if packed else open(path, "rb") as raw:
        yield io.TextIOWrapper(cast(BinaryIO, raw), encoding="utf-8-sig")


def _opens_json(text: str) -> bool:
    return text.lstrip("\ufeff \t\r\n")[:1] in ("{", "[")


def _language(text: str) -> str:
    return "json" if _opens_json(text) else "yaml"


def _of_json(file: TextIO, source: str) -> Pods:
    snapshot = Snapshot(source)
    for path, found, kind in objects(file, source):
        snapshot.take(found, path, kind)
    return snapshot.scenario(files.stem(source))


def _documents(text: str) -> Iterator[tuple[str, int]]:
    """The YAML documents of a text, each with the number of lines before it.

    A marker at the start of a line ends a document wherever it stands; YAML has no exception.
    """
    start, found = 0, []
    for match in _MARKER.finditer(text):
        found.append((start, match.start()))
        start = match.end()
    for begin, end in [*found, (start, len(text))]:
        document = text[begin:end]
        if any(
            line.strip() and not line.lstrip().startswith("#") for line in document.splitlines()
        ):
            yield document, text.count("\n", 0, begin)


def _moved(problem: Problem, lines: int) -> Problem:
    line = None if problem.line is None else problem.line + lines
    return Problem(problem.path, problem.message, line)


def _locate(snapshot: Snapshot, before: int, prefix: str, document: str, lines: int) -> None:
    """Give the problems that a document added their lines."""
    problems = snapshot.trouble.problems
    if len(problems) == before:
        return
    known = structured.lines(document, _language(document))
    for i, problem in enumerate(problems[before:], start=before):
        bare = Problem(problem.path.removeprefix(prefix).lstrip("."), problem.message)
        line = located([bare], lambda: known)[0].line
        problems[i] = _moved(Problem(problem.path, problem.message, line), lines)


FORMAT = Format(
    name="kubectl",
    summary="nodes, pods and budgets of Kubernetes: kubectl get -o json, or manifests in YAML",
    suffixes=(".k8s",),
    sniff=sniff,
    read=read,
    write=write,
    claims=claims,
    stream=stream,
)
