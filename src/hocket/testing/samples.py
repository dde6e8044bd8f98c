"""Small scenarios of a problem, from the generators of its domain."""

from __future__ import annotations

from typing import Any, get_origin

import msgspec

from hocket.core.domain import Domain, Generator, resolve
from hocket.core.errors import UserError
from hocket.core.registry import tag_of
from hocket.core.scenario import Scenario, Ticks

SMALL = 6
"""What sizes are brought down to: enough for queues to form, and for a run to take a moment."""

TIMES = 50
"""By how much times are cut short: a run still has to come to something."""


def samples(domain: Domain, seed: int = 0) -> dict[str, list[Scenario]]:
    """Scenarios by tag: each generator's smallest, and one more for every switch it has."""
    found: dict[str, list[Scenario]] = {}
    for kind in resolve(domain.generators) if domain.generators else ():
        for generator in _variants(_shrunk(kind())):
            scenario = generator.make(seed)
            found.setdefault(tag_of(scenario), []).append(scenario)
    return found


def size(scenario: Scenario) -> int:
    """The length of a scenario in a file, in bytes."""
    return len(msgspec.json.encode(scenario))


def _shrunk(generator: Generator) -> Generator:
    """With every whole number brought down that makes the scenario smaller, if it stays sound."""
    for field in msgspec.structs.fields(generator):
        value = getattr(generator, field.name)
        if type(value) is not int or value <= SMALL:
            continue
        least = max(SMALL, value // TIMES) if field.type == Ticks else SMALL
        smaller = _changed(generator, field.name, least)
        if smaller is not None and size(smaller.make()) < size(generator.make()):
            generator = smaller
    return generator


def _variants(generator: Generator) -> list[Generator]:
    """The generator, and itself with each truth value flipped."""
    switches = [
        _changed(generator, field.name, not value)
        for field in msgspec.structs.fields(generator)
        if type(value := getattr(generator, field.name)) is bool and get_origin(field.type) is None
    ]
    return [generator, *(switched for switched in switches if switched is not None)]


def _changed(generator: Generator, name: str, value: Any) -> Generator | None:
    """The generator with one field changed; None if it or its scenario is then no good."""
    try:
        changed = msgspec.structs.replace(generator, **{name: value})
        return None if any(changed.make().problems()) else changed
    except (UserError, ValueError):
        return None
