"""Write constraints.txt: the installed versions of all that hocket and its builds require.

With ``live`` as its argument, constraints-live.txt, from the environment with the real engine.
"""

from __future__ import annotations

import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
HEAD = """\
# The exact versions with which hocket is tested; `make {users}` and .ci/run use
# them, so that both give the same next month. Written by `make {target}`. A constraint is no
# requirement: what an install does not ask for is not installed.
"""
BUILD = ("hatchling", "editables")
ROOTS = ("hocket[all,dev,docs]", *BUILD)
LIVE = ("hocket[llm,web]", "pytest", "pytest-xdist", "hypothesis", *BUILD)


def locked(roots: tuple[str, ...]) -> dict[str, str]:
    """Name and version of everything reachable from `roots`, hocket itself left out."""
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    todo = [Requirement(root) for root in roots]
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
    live = sys.argv[1:] == ["live"]
    lines = sorted(locked(LIVE if live else ROOTS).values(), key=str.lower)
    head = HEAD.format(
        users="test-live" if live else "demo`, `make test", target="lock-live" if live else "lock"
    )
    file = ROOT / ("constraints-live.txt" if live else "constraints.txt")
    file.write_text(head + "".join(f"{line}\n" for line in lines))
