"""Who imports whom, read from the source: the rule that keeps dependencies one way."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

LAYERS: tuple[tuple[str, ...], ...] = (
    ("core",),
    ("solvers", "learn", "report"),
    ("<domain>",),
    ("papers",),
    ("api", "testing"),
    ("cli", "web"),
)
"""From the ground up. A part imports what lies below it; parts of one layer know nothing of each
other. What is not named here is a domain."""


class Import(NamedTuple):
    """One import statement, wherever it stands: at the top of a file or inside a function."""

    file: Path
    line: int
    module: str


def imports(file: Path, package: str) -> Iterator[Import]:
    """All imports of a file that belongs to `package` (dotted), relative ones made absolute."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (Import(file, node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *filter(None, [base])])
            yield from (Import(file, node.lineno, f"{base}.{a.name}") for a in node.names)


def all_imports(folder: Path, package: str) -> Iterator[Import]:
    """All imports below the folder of a package, file by file in order of name."""
    for file in sorted(folder.rglob("*.py")):
        inner = file.parent.relative_to(folder).parts
        yield from imports(file, ".".join([package, *inner]))


def violations(part: str, found: Iterator[Import]) -> list[str]:
    """What the imports of a part of hocket (``"core"``, ``"shop"``) break, in words."""
    told = []
    for one in found:
        top, _, rest = one.module.partition(".")
        other = rest.partition(".")[0]
        if top == "hocket" and other and other != part and not _may_import(part, other):
            told.append(f"{one.file}:{one.line}: {part} imports {one.module}")
    return told


def _may_import(part: str, other: str) -> bool:
    if other == "__version__":
        return True
    return _layer(other) < _layer(part)


def _layer(part: str) -> int:
    known = {name: level for level, names in enumerate(LAYERS) for name in names}
    return known.get(part, known["<domain>"])
