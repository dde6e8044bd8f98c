"""Labels and what selects by them, as Kubernetes does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

Operator = Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]

Labels = dict[str, str]


class Expression(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One requirement on a label. ``Gt`` and ``Lt`` compare whole numbers, for nodes only."""

    key: str
    op: Operator = "In"
    values: tuple[str, ...] = ()

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether labels meet it. A missing label meets ``NotIn`` and ``DoesNotExist`` alone."""
        found = labels.get(self.key)
        if self.op == "In":
            return found in self.values
        if self.op == "NotIn":
            return found not in self.values
        if self.op == "Exists":
            return found is not None
        if self.op == "DoesNotExist":
            return found is None
        try:
            number, limit = int(found or ""), int(self.values[0])
        except (ValueError, IndexError):
            return False
        return number > limit if self.op == "Gt" else number < limit


Selector = tuple[Expression, ...]
"""Requirements that must all be met; none at all select everything."""


def selects(selector: Selector, labels: Mapping[str, str]) -> bool:
    """Whether labels meet all requirements of a selector."""
    return all(expression.holds(labels) for expression in selector)
