"""Optional libraries, imported when first used."""

from __future__ import annotations

import importlib
from typing import Any

from hocket.core.errors import MissingExtra


def need(module: str, extra: str) -> Any:
    """Import an optional `module`; if it is absent, say which extra of hocket brings it.

    Raises MissingExtra with the exact install line.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and module.startswith(error.name):
            raise MissingExtra(extra, error.name) from error
        raise
