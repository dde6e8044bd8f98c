"""Questions as arrays: tables of features, links between their rows, and the rows to choose from.

Questions differ in size, and a network answers many at once. So a `Batch` is *ragged*: the rows of
all its questions stand one after another in each table, without padding, and `starts` says where
each question begins. One question is a batch of size one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from hocket.core.errors import RunError

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class Link(msgspec.Struct, frozen=True):
    """Edges from rows of one table to rows of another (or of the same).

    `ends` is int64 of shape (2, edges): row numbers in `source`, and in `target`, counted through
    the whole batch. An edge never leads from one question to another.
    """

    source: str
    target: str
    ends: Ints


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """One or more questions.

    - `tables`: by name, float32 of shape (rows, features); a table may have no rows
    - `starts`: by table, int64 of shape (size + 1,): the rows of question i are
      ``starts[t][i] : starts[t][i + 1]``
    - `links`: by name, the edges
    - `actions`: the name of the table whose rows can be chosen
    - `mask`: bool of shape (rows of that table,); in each question at least one is true
    """

    tables: dict[str, Floats]
    starts: dict[str, Ints]
    links: dict[str, Link]
    actions: str
    mask: Bools

    @property
    def size(self) -> int:
        """How many questions these are."""
        return len(self.starts[self.actions]) - 1

    @property
    def bounds(self) -> Ints:
        """Where each question's actions begin and end: int64 of shape (size + 1,)."""
        return self.starts[self.actions]

    def lane(self, table: str) -> Ints:
        """Which question each row of a table belongs to: int64 of shape (rows,)."""
        return np.repeat(np.arange(self.size), np.diff(self.starts[table]))

    def take(self, questions: Sequence[int] | Ints) -> Batch:
        """Some of the questions, in the order given; a question may be taken more than once."""
        wanted = np.asarray(questions, np.int64)
        rows = {t: _ranges(s[wanted], s[wanted + 1]) for t, s in self.starts.items()}
        starts = {
            t: np.concatenate(([0], np.cumsum(np.diff(s)[wanted]))) for t, s in self.starts.items()
        }
        links = {}
        for name, link in self.links.items():
            lane = np.searchsorted(self.starts[link.source], link.ends[0], side="right") - 1
            order = np.argsort(lane, kind="stable")
            begin = np.searchsorted(lane[order], np.arange(self.size + 1))
            edges = order[_ranges(begin[wanted], begin[wanted + 1])]
            taken = np.repeat(np.arange(len(wanted)), np.diff(begin)[wanted])
            shift = [starts[t][:-1] - self.starts[t][wanted] for t in (link.source, link.target)]
            links[name] = Link(
                link.source, link.target, link.ends[:, edges] + np.stack(shift)[:, taken]
            )
        return Batch(
            tables={t: table[rows[t]] for t, table in self.tables.items()},
            starts=starts,
            links=links,
            actions=self.actions,
            mask=self.mask[rows[self.actions]],
        )


def _ranges(begins: Ints, ends: Ints) -> Ints:
    """The numbers of several ranges, one range after another."""
    lengths = ends - begins
    before = np.cumsum(lengths) - lengths
    return np.repeat(begins - before, lengths) + np.arange(int(lengths.sum()))


def question(
    tables: Mapping[str, npt.ArrayLike],
    actions: str,
    mask: npt.ArrayLike | None = None,
    links: Mapping[str, tuple[str, str, npt.ArrayLike]] | None = None,
) -> Batch:
    """One question. Without a `mask` every row of the table `actions` may be chosen.

    `links` gives ``name: (source, target, ends)`` with `ends` of shape (2, edges).
    """
    rows = {name: np.asarray(table, np.float32) for name, table in tables.items()}
    count = len(rows[actions])
    return Batch(
        tables=rows,
        starts={name: np.array([0, len(table)]) for name, table in rows.items()},
        links={
            name: Link(source, target, np.asarray(ends, np.int64).reshape(2, -1))
            for name, (source, target, ends) in (links or {}).items()
        },
        actions=actions,
        mask=np.ones(count, bool) if mask is None else np.asarray(mask, bool),
    )


def join(batches: Sequence[Batch]) -> Batch:
    """Several batches as one, in order.

    Raises RunError unless they have the same tables, of the same columns, and the same links.
    """
    if len(batches) == 1:
        return batches[0]
    try:
        return _joined(batches)
    except (ValueError, KeyError):
        told = sorted({_described(batch) for batch in batches})
        if len(told) == 1:
            raise
        raise RunError(
            "all questions of a policy must have the same tables and links, and tables as many "
            f"columns in each; one has {told[0]}, another {told[1]}"
        ) from None


def _described(batch: Batch) -> str:
    tables = [f"{name} of {' x '.join(map(str, t.shape[1:]))}" for name, t in batch.tables.items()]
    return ", ".join([*tables, *(f"link {name}" for name in batch.links)])


def _joined(batches: Sequence[Batch]) -> Batch:
    first = batches[0]
    sizes = [batch.size for batch in batches]
    offsets: dict[str, Ints] = {}
    starts: dict[str, Ints] = {}
    for name in first.tables:
        rows = np.array([len(batch.tables[name]) for batch in batches])
        offsets[name] = np.cumsum(rows) - rows
        begins = np.concatenate([batch.starts[name][:-1] for batch in batches])
        begins += np.repeat(offsets[name], sizes)
        starts[name] = np.append(begins, rows.sum())
    links = {}
    for name, link in first.links.items():
        parts = [batch.links[name].ends for batch in batches]
        shift = np.stack([offsets[link.source], offsets[link.target]])
        ends = np.concatenate(parts, axis=1)
        ends += np.repeat(shift, [part.shape[1] for part in parts], axis=1)
        links[name] = Link(link.source, link.target, ends)
    return Batch(
        tables={t: np.concatenate([b.tables[t] for b in batches]) for t in first.tables},
        starts=starts,
        links=links,
        actions=first.actions,
        mask=np.concatenate([b.mask for b in batches]),
    )
