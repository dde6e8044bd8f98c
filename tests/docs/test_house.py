"""The outer house holds together: Makefile, versions, navigation, changelog."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

import hocket

ROOT = Path(__file__).parents[2]
PINNED = re.compile(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.+!]+)")


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_constraints_are_exact_versions_from_the_index() -> None:
    lines = [line for line in text("constraints.txt").splitlines() if not line.startswith("#")]
    assert all(PINNED.fullmatch(line) for line in lines)
    names = [canonical(line.partition("==")[0]) for line in lines]
    assert names == sorted(set(names), key=names.index)
    assert not any("+" in line for line in lines), "a local version is on no index"


def test_everything_that_is_installed_is_pinned() -> None:
    project = tomllib.loads(text("pyproject.toml"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["solve"], *extras["dev"], *extras["docs"]]
    names = {canonical(re.split(r"[\[<>=!~; ]", line)[0]) for line in wanted} - {"hocket"}
    pinned = {canonical(name) for name, _ in PINNED.findall(text("constraints.txt"))}
    assert names <= pinned
    assert {"hatchling", "editables"} <= pinned


def test_every_pinned_version_runs_on_the_first_python_3_11() -> None:
    """Debian 12 has 3.11.2, and a package that wants 3.11.5 cannot be installed there."""
    too_new = []
    for name, version in PINNED.findall(text("constraints.txt")):
        try:
            wanted = metadata.distribution(name).metadata["Requires-Python"]
        except metadata.PackageNotFoundError:
            continue
        if wanted and not SpecifierSet(wanted).contains("3.11.0"):
            too_new.append(f"{name}=={version} wants Python {wanted}")
    assert not too_new


def test_make_knows_what_the_readme_says() -> None:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    done = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True
    )
    targets = {line.split()[0] for line in done.stdout.splitlines()}
    pages = text("README.md") + text("CONTRIBUTING.md")
    said = set(re.findall(r"^make (\w+)", pages, re.MULTILINE))
    said |= set(re.findall(r"`make (\w+)`", pages))
    assert {"demo", "test"} <= said <= targets


def test_ci_is_a_sound_script_that_runs_both_kinds_of_tests() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text(encoding="utf-8").rstrip().endswith("\nexec make test test-live")
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_every_page_is_in_the_navigation_once() -> None:
    navigation = re.findall(r'"([\w/-]+\.md)"', text("zensical.toml"))
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert sorted(navigation) == sorted(pages)


def test_the_changelog_speaks_of_this_version() -> None:
    assert f"## [{hocket.__version__}]" in text("CHANGELOG.md")


def test_the_documentation_names_no_path_of_this_machine() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.*")]
    for page in pages:
        assert str(ROOT) not in page.read_text(encoding="utf-8"), page
