"""What the examples print. ``python -m tests.examples.expected`` writes it down anew."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "examples"
SCRIPTS = sorted(FOLDER.glob("*.py"))


def printed(script: Path) -> str:
    """The standard output of an example; what it prints on standard error must be nothing."""
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        cwd=FOLDER.parent,
        check=False,
    )
    assert not done.stderr, done.stderr
    assert done.returncode == 0
    return done.stdout


def expected(script: Path) -> Path:
    """The file that holds what an example should print."""
    return FOLDER / "expected" / f"{script.stem}.txt"


if __name__ == "__main__":
    for script in SCRIPTS:
        expected(script).parent.mkdir(exist_ok=True)
        expected(script).write_text(printed(script), encoding="utf-8")
