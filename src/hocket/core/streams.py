"""Named random streams: one seed, as many independent generators as there are names.

``streams["machine-3.breakdowns"]`` always yields the same numbers for the same root seed, whatever
other streams exist and in whatever order they are asked for. So adding a machine changes no other
machine's luck, and two policies that draw from equally named streams meet the same workload (common
random numbers: Law, Simulation Modeling and Analysis, 5th edition, section 11.2).

A stream's generator is NumPy's PCG64 seeded by ``SeedSequence(entropy=seed, spawn_key=...)``, the
spawn key being a 128-bit BLAKE2b digest of the name: unlike ``hash()`` it is the same in every
process, and two names collide with probability 2^-128.
"""

from __future__ import annotations

import hashlib
import operator

import numpy as np

from hocket.core.errors import UserError

MAX_SEED = 2**128 - 1
"""The largest root seed: `SeedSequence`'s own default entropy has 128 bits."""


class Streams:
    """Random generators by name, all derived from one root seed.

    A name asked for again returns the same generator, which continues where it was; a new `Streams`
    with the same seed starts every name afresh.
    """

    def __init__(self, seed: int) -> None:
        """`seed` is an integer from 0 to 2^128 - 1; anything else is a `UserError`."""
        self.seed = _checked(seed)
        self._prefix = ""
        self._generators: dict[str, np.random.Generator] = {}

    def __getitem__(self, name: str) -> np.random.Generator:
        """The generator called `name` (a non-empty string)."""
        if not isinstance(name, str) or not name:
            raise UserError(f"a stream's name is a non-empty string, not {name!r}")
        full = self._prefix + name
        generator = self._generators.get(full)
        if generator is None:
            generator = np.random.Generator(np.random.PCG64(_sequence(self.seed, full)))
            self._generators[full] = generator
        return generator

    def child(self, prefix: str) -> Streams:
        """A view whose names are prefixed: ``child("a")["b"]`` is the generator ``["a.b"]``."""
        if not isinstance(prefix, str) or not prefix:
            raise UserError(f"a stream's prefix is a non-empty string, not {prefix!r}")
        view = Streams(self.seed)
        view._prefix = f"{self._prefix}{prefix}."
        view._generators = self._generators
        return view

    def __repr__(self) -> str:
        prefix = f", prefix={self._prefix!r}" if self._prefix else ""
        return f"Streams({self.seed}{prefix})"


def _checked(seed: object) -> int:
    """The seed as a plain integer, or a `UserError` that says what a seed is."""
    wanted = f"a seed is an integer from 0 to 2^128 - 1, not {seed!r}"
    if isinstance(seed, bool | np.bool_):
        raise UserError(wanted)
    try:
        value = operator.index(seed)  # type: ignore[arg-type]  # any object may come; that is the check
    except TypeError:
        raise UserError(wanted) from None
    if not 0 <= value <= MAX_SEED:
        raise UserError(wanted)
    return value


def _sequence(seed: int, name: str) -> np.random.SeedSequence:
    digest = hashlib.blake2b(name.encode(), digest_size=16).digest()
    key = tuple(int.from_bytes(digest[i : i + 4], "little") for i in range(0, 16, 4))
    return np.random.SeedSequence(entropy=seed, spawn_key=key)
