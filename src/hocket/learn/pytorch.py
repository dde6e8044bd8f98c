"""PyTorch, imported when it is first needed."""

from __future__ import annotations

from hocket.core.extras import need
from hocket.core.interrupt import Interrupt, check


def need_torch() -> None:
    """Import PyTorch, whose C++ aborts the process if Ctrl-C falls in that; so it is raised after.

    Raises MissingExtra.
    """
    with Interrupt():
        need("torch", "learn")
        check()
