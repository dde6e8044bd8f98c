"""The generated pages say what the code says."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hocket.cli.app import make_app
from hocket.core import registry

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "reference"


def test_pages_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "reference.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def headings(page: str) -> set[str]:
    lines = (FOLDER / page).read_text(encoding="utf-8").splitlines()
    return {line.lstrip("# ") for line in lines if line.startswith("#")}


def test_every_name_has_its_place() -> None:
    assert set(registry.policies()) <= headings("policies.md")
    assert set(registry.generators()) <= headings("generators.md")
    assert set(registry.problem_types()) <= headings("scenarios.md")


@pytest.mark.parametrize("page", sorted(path.name for path in FOLDER.glob("*.md")))
def test_tables_are_even(page: str) -> None:
    """With a cell too many in a row a renderer drops what is too much."""
    rows: list[int] = []
    for line in [*(FOLDER / page).read_text(encoding="utf-8").splitlines(), ""]:
        if line.startswith("|"):
            rows.append(line.replace("\\|", "").count("|"))
        else:
            assert len(set(rows)) <= 1, f"{page}: a table with uneven rows before {line!r}"
            rows = []


def commands(app: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Every command with its full name, such as ``live k8s``; groups are not commands."""
    for name in (name for name in app if not name.startswith("-")):
        if app[name].default_command is None:
            yield from commands(app[name], f"{before}{name} ")
        else:
            yield f"{before}{name}", app[name]


def test_commands_page_has_every_command_and_option() -> None:
    told = (FOLDER / "commands.md").read_text(encoding="utf-8")
    found = dict(commands(make_app()))
    assert {"run", "live k8s"} <= set(found)
    for name, command in found.items():
        assert f"## hocket {name}\n" in told
        section = told.partition(f"## hocket {name}\n")[2].partition("\n## ")[0]
        for argument in command.assemble_argument_collection():
            named = [option for option in argument.names if not option.startswith("--empty-")]
            if named == ["*"]:  # a group of options, which follow one by one
                continue
            assert all(f"`{option}`" in section for option in named), (name, named)
