"""hocket: the scheduling library for Python.

>>> import hocket
>>> hocket.run("shop/ta01", "shop/spt").metrics["makespan"]
1462
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from hocket.api import (
        adversarial,
        changed,
        check,
        compare,
        default_policies,
        generate,
        listing,
        load,
        load_policy,
        reproduce,
        run,
        save,
        solve,
        train,
    )

__all__ = [
    "adversarial",
    "changed",
    "check",
    "compare",
    "default_policies",
    "generate",
    "listing",
    "load",
    "load_policy",
    "reproduce",
    "run",
    "save",
    "solve",
    "train",
]


def __getattr__(name: str) -> Any:
    """The verbs, imported on first use so that ``import hocket`` stays quick."""
    if name in __all__:
        from hocket import api

        return getattr(api, name)
    raise AttributeError(f"module 'hocket' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
