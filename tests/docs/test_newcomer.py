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
BATCHING = '''\
"""Batching of a newcomer."""

from typing import Any, ClassVar

from hocket.core.streams import Streams
from hocket.serving.roles.batching import Batcher, FirstComeFirstServed, Limits, Request
from hocket.serving.roles.facts import Engine
from hocket.serving.roles.policy import BatchingPolicy


class Newcomer(BatchingPolicy, frozen=True):
    """The longest prompt first."""

    name: ClassVar[str] = "serving/newcomer"
    source: ClassVar[str] = "a test"
    tokens: int = 1024

    def batcher(self, engine: Engine, streams: Streams) -> Batcher:
        """See BatchingPolicy.batcher."""
        return LongestFirst(Limits(tokens=self.tokens))


class LongestFirst(FirstComeFirstServed):
    def rank(self, request: Request) -> Any:
        return -request.prompt


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
    policies = tmp_path / "src" / "hocket"
    (policies / "shop/policies/newcomer.py").write_text(RULE, encoding="utf-8")
    (policies / "serving/policies/newcomer.py").write_text(BATCHING, encoding="utf-8")
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


def test_so_does_a_batching_policy(checkout: Path, run: Run) -> None:
    listed = json.loads(run("-m", "hocket", "list", "policies", "--json"))
    (entry,) = [entry for entry in listed if entry["name"] == "serving/newcomer"]
    assert entry["summary"] == "The longest prompt first."

    run("-m", "hocket", "generate", "serving/chat", "--set", "requests=30", "-o", "chat.yaml")
    command = ["run", "chat.yaml", "--policy", "serving/newcomer", "--set", "tokens=256"]
    ran = json.loads(run("-m", "hocket", *command, "--report", "chat.html", "--json"))
    assert ran["metrics"]["finished"] == 30
    assert ran["policy"]["tokens"] == 256
    assert (checkout / "chat.html").exists()

    run("tools/reference.py")
    reference = (checkout / "docs/reference/policies.md").read_text(encoding="utf-8")
    section = reference.partition("### serving/newcomer\n")[2].partition("\n#")[0]
    assert "Role: batching." in section


@pytest.mark.parametrize("name", ["shop/newcomer", "serving/newcomer"])
def test_the_kit_checks_it_too(checkout: Path, run: Run, name: str) -> None:
    script = (
        "from hocket.testing import check_policy\n"
        "if __name__ == '__main__':\n"
        f"    print(check_policy({name!r}, seeds=(0,)))\n"
    )
    (checkout / "checked.py").write_text(script, encoding="utf-8")
    assert f"{name}: " in run("checked.py")
