"""Every example runs by itself and prints what it is said to print."""

from pathlib import Path

import pytest

import hocket
from tests.examples.expected import FOLDER, SCRIPTS, expected, printed


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_example_prints_what_is_expected(script: Path) -> None:
    assert printed(script) == expected(script).read_text(encoding="utf-8")


def test_nothing_is_expected_of_what_is_not_there() -> None:
    assert {path.stem for path in (FOLDER / "expected").iterdir()} == {s.stem for s in SCRIPTS}


@pytest.mark.parametrize(
    "file",
    [file for kind in ("yaml", "jsp", "json") for file in sorted(FOLDER.glob(f"*.{kind}"))],
    ids=lambda file: file.name,
)
def test_scenario_file_is_sound(file: Path) -> None:
    assert hocket.check(file) == ()


def test_the_readme_lists_every_example() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    for script in SCRIPTS:
        assert f"`{script.name}`" in text
