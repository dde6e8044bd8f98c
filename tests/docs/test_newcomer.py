"""What a newcomer does: a file of one's own, a report, and a rule in one new file.

The rule goes into a copy of the package, as it would into a checkout; nothing else is edited.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import hocket
from hocket.report.html import read

ROOT = Path(__file__).parents[2]
RULE = '''\
"""Rules of a newcomer."""

from typing import ClassVar

from hocket.shop.dispatch import ShopView
from hocket.shop.model.arrays import Ints
from hocket.shop.policies.rules import Rule, Values


class Newcomer(Rule, frozen=True):
    """Least work remaining, with some regard for the operation itself."""

    name: ClassVar[str] = "shop/newcomer"
    source: ClassVar[str] = "a test"
    regard: float = 0.25

    def priority(self, view: ShopView, op: Ints) -> Values:
        """See Rule.priority."""
        return view.remaining_work[op] + self.regard * view.duration[op]


POLICIES = (Newcomer,)
'''
Run = Callable[..., str]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the package with one more file among the policies."""
    package = Path(hocket.__file__).parent
    clean = shutil.ignore_patterns("__pycache__")
    shutil.copytree(package, tmp_path / "src" / "hocket", ignore=clean)
    shutil.copytree(ROOT / "tools", tmp_path / "tools", ignore=clean)
    shutil.copy(ROOT / "examples" / "workshop.jsp", tmp_path)
    (tmp_path / "src/hocket/shop/policies/newcomer.py").write_text(RULE, encoding="utf-8")
    return tmp_path


@pytest.fixture
def run(checkout: Path) -> Run:
    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            capture_output=True,
            text=True,
            cwd=checkout,
            env=os.environ | {"PYTHONPATH": str(checkout / "src")},
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_a_rule_in_one_file_shows_up_everywhere(checkout: Path, run: Run) -> None:
    listed = json.loads(run("-m", "hocket", "list", "policies", "--json"))
    (entry,) = [entry for entry in listed if entry["name"] == "shop/newcomer"]
    assert entry["summary"] == "Least work remaining, with some regard for the operation itself."

    command = ["compare", "workshop.jsp", "--policy", "shop/spt", "--policy", "shop/newcomer"]
    options = ["--set", "regard=0.5", "--no-study", "--report", "report.html", "--json"]
    compared = json.loads(run("-m", "hocket", *command, *options))
    makespan = {r["policy"]: r["mean"] for r in compared["rows"] if r["metric"] == "makespan"}
    assert set(makespan) == {"shop/spt", "shop/newcomer(regard=0.5)"}
    assert all(value >= 33 for value in makespan.values())  # the optimum of workshop.jsp

    drawn = [chart.label for chart in read(checkout / "report.html").charts]
    assert drawn == ["shop/spt", "shop/newcomer(regard=0.5)"]

    run("tools/reference.py")
    reference = (checkout / "docs/reference/policies.md").read_text(encoding="utf-8")
    section = reference.partition("### shop/newcomer\n")[2].partition("\n#")[0]
    assert "Least work remaining" in section
    assert "Source: a test." in section
    assert "| `regard` | number | `0.25` |" in section


def test_the_kit_checks_it_too(checkout: Path, run: Run) -> None:
    script = (
        "from hocket.testing import check_policy\n"
        "if __name__ == '__main__':\n"
        "    print(check_policy('shop/newcomer', seeds=(0,)))\n"
    )
    (checkout / "checked.py").write_text(script, encoding="utf-8")
    assert "shop/newcomer: " in run("checked.py")
