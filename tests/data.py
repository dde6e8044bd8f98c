"""Where the optional public data lie; tests that need them skip, and say so, without them."""

from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data"


def shared(*parts: str) -> Path:
    """The path of a public data file, or a clean skip naming what is missing."""
    path = FOLDER.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"public data {'/'.join(parts)} are not here")
    return path
