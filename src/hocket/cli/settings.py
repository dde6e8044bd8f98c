"""``--set`` for several policies at once."""

from __future__ import annotations

from collections.abc import Sequence

from hocket.core.errors import UserError
from hocket.core.fields import with_fields
from hocket.core.policy import Policy


def with_settings(policies: Sequence[Policy], settings: tuple[str, ...]) -> list[Policy]:
    """Settings for every policy that has the field, or for one: ``shop/atc.k=3``."""
    result = list(policies)
    given: set[tuple[int, str]] = set()
    for setting in settings:
        whom, dot, rest = setting.partition(".")
        named = [i for i, p in enumerate(result) if dot and p.name == whom]
        field = setting.partition("=")[0].partition(".")[0]
        having = [i for i, p in enumerate(result) if field in p.__struct_fields__]
        chosen, text = (named, rest) if named else (having, setting)
        if not chosen:
            raise UserError(f"--set {setting}: none of the policies has the field {field!r}")
        place = text.partition("=")[0]
        for i in chosen:
            if (i, place) in given:
                raise UserError(
                    f"--set {setting}: {result[i].name} has been given {place} already. One "
                    f"setting counts for every --policy that has the field; say which one with "
                    f"--set {result[i].name}.{text}, or write each as a file of its own"
                )
            given.add((i, place))
            result[i] = with_fields(result[i], [text])
    return result
