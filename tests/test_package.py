"""What gets installed: small, and with everything it needs beside the Python files."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIMIT = 2_000_000
"""Bytes: the source, some 250 kB a domain and 150 kB a live system, and 300 kB of weights; data
that grew in would show."""


def test_the_wheel_is_small_and_whole(tmp_path: Path) -> None:
    build = "import os, sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, str(tmp_path)], check=True, cwd=ROOT)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.stat().st_size < LIMIT
    names = set(zipfile.ZipFile(wheel).namelist())
    sources = [p for p in (ROOT / "src").rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    assert {str(p.relative_to(ROOT / "src")) for p in sources} <= names
