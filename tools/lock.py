"""Write constraints.txt: the installed versions of all that hocket and its builds require."""

from __future__ import annotations

from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FILE = Path(__file__).parents[1] / "constraints.txt"
HEAD = """\
# The exact versions with which hocket is tested; `make demo`, `make test` and .ci/run use them, so
# that both give the same next month. Written by `make lock`. A constraint is no requirement: what
# an install does not ask for is not installed.
"""
ROOTS = ("hocket[all,dev,docs]", "hatchling", "editables")


def locked() -> dict[str, str]:
    """Name and version of everything reachable from ROOTS, hocket itself left out."""
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    todo = [Requirement(root) for root in ROOTS]
    while todo:
        wanted = todo.pop()
        installed = _installed(wanted.name)
        if installed is None:
            continue
        name = canonicalize_name(wanted.name)
        public = installed.version.partition("+")[0]  # any build of that version will do
        found[name] = f"{installed.metadata['Name']}=={public}"
        for extra in ("", *sorted(wanted.extras)):
            if (name, extra) not in seen:
                seen.add((name, extra))
                todo += _requirements(installed, extra)
    del found["hocket"]
    return found


def _installed(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:  # required on another system only
        return None


def _requirements(installed: Distribution, extra: str) -> list[Requirement]:
    parsed = [Requirement(text) for text in installed.requires or ()]
    return [r for r in parsed if r.marker is None or r.marker.evaluate({"extra": extra})]


if __name__ == "__main__":
    lines = sorted(locked().values(), key=str.lower)
    FILE.write_text(HEAD + "".join(f"{line}\n" for line in lines))
