"""What was checked, for the reader of a test log."""

from __future__ import annotations

import msgspec


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a check that found nothing wrong.

    `checks` says what was looked at, `skipped` what could not be, and why.
    """

    subject: str
    checks: tuple[str, ...]
    skipped: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"{self.subject}: {len(self.checks)} checks passed"]
        lines += [f"  ok    {check}" for check in self.checks]
        lines += [f"  skip  {what}" for what in self.skipped]
        return "\n".join(lines)
