"""The folder in which ``hocket live k8s --record`` keeps what it decided."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import msgspec

from hocket.cluster.model.pods import Pods
from hocket.cluster.packing.plan import Plan
from hocket.core.errors import UserError
from hocket.core.save import save
from hocket.core.writing import require_place, write_text

LOG = logging.getLogger("hocket.k8s")

KEPT = 1000
"""So many plans are kept; the oldest make room for new ones."""

_NAME = re.compile(r"plan-(\d{1,12})\.(?:scenario\.)?json")


class Record:
    """Plans and their snapshots, numbered on from those that are in the folder already."""

    def __init__(self, folder: Path, kept: int = KEPT) -> None:
        """Raises UserError if nothing can be written there."""
        require_place(folder / "plan-0.json")
        self.folder, self.kept = folder, kept
        self.count = max(self._numbers(), default=-1) + 1

    def keep(self, snapshot: Pods, plan: Plan) -> None:
        """Write both; where that fails it is told in the log, as deciding goes on without it."""
        try:
            for old in self._numbers():
                if old <= self.count - self.kept:
                    self._scenario(old).unlink(missing_ok=True)
                    self._plan(old).unlink(missing_ok=True)
            save(snapshot, self._scenario(self.count))
            text = msgspec.json.format(msgspec.json.encode(plan), indent=1).decode()
            write_text(self._plan(self.count), f"{text}\n")
        except (UserError, OSError) as error:
            LOG.warning("a plan is not recorded: %s", error)
        self.count += 1

    def _numbers(self) -> set[int]:
        found = (_NAME.fullmatch(path.name) for path in self.folder.iterdir())
        return {int(match[1]) for match in found if match}

    def _plan(self, number: int) -> Path:
        return self.folder / f"plan-{number}.json"

    def _scenario(self, number: int) -> Path:
        return self.folder / f"plan-{number}.scenario.json"
