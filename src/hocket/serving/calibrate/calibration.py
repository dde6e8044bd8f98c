"""What a calibration is, and the two ways to one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from hocket.core.errors import InputError
from hocket.core.policy import Policy
from hocket.serving.calibrate.errors import Error, errors
from hocket.serving.calibrate.fit import fit
from hocket.serving.calibrate.replay import measured_times, replay
from hocket.serving.cost import Linear, Table
from hocket.serving.cost.aiconfigurator import load_aiconfigurator
from hocket.serving.cost.profile import load_profile
from hocket.serving.formats.measured import Measured
from hocket.serving.model.cluster import Pool

FEWEST = 20
"""Requests with which a fit or a check is worth anything."""


MOST = 2000
"""Requests of a log that are used for a fit, for it replays them a hundred times."""


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """A cost model with what it was made from and how good it is.

    - `cost`: the model, as a pool of a scenario takes it
    - `meta`: where it is from, in words and numbers
    - `errors`: on requests whose times it has not seen; empty if there were none
    - `seen`: the same on those that it was fitted to
    """

    cost: Linear | Table
    meta: dict[str, Any]
    errors: tuple[Error, ...] = ()
    seen: tuple[Error, ...] = ()


def from_profile(folder: str | Path, *, model: str = "", tp: int | None = None) -> Calibration:
    """A `Table` from operator times. Raises InputError and UnknownName, as `load_profile` does."""
    table = load_profile(folder, model, tp)
    meta = {"from": "operator times", "profile": table.profile}
    return Calibration(cost=table, meta=meta | {"model": table.model_name, "tp": table.tp})


def from_aiconfigurator(model: str, gpu: str, tp: int = 1) -> Calibration:
    """A `Table` from the tables of AIConfigurator. Raises as `load_aiconfigurator` does."""
    table = load_aiconfigurator(model, gpu, tp)
    meta = {"from": "operator times", "profile": table.profile}
    return Calibration(cost=table, meta=meta | {"model": table.model_name, "tp": table.tp})


def checked(found: Calibration, log: Measured, pool: Pool, policy: Policy) -> Calibration:
    """The calibration with its errors on a log that it was not made from.

    `pool` says on what the requests were served, `policy` how batches were formed. Raises
    InputError where the model does not suit the pool.
    """
    predicted = replay(log, msgspec.structs.replace(pool, cost=found.cost), policy)
    told = {"checked on": len(log), "most at once": _most_at_once(log)}
    meta = found.meta | _setting(pool, policy) | told
    truth = measured_times(log)
    return msgspec.structs.replace(found, meta=meta, errors=errors(truth, predicted))


def from_log(
    log: Measured,
    pool: Pool,
    policy: Policy,
    *,
    train: float = 0.5,
    progress: Callable[[str], None] = lambda text: None,
) -> Calibration:
    """A `Linear` model fitted to the first `train` of a log's requests, checked on the others.

    `pool` says on what the requests were served (its cost is not looked at), `policy` how batches
    were formed. Of a log of more than `MOST` requests the first ones are used. Raises InputError if
    the log is too short.
    """
    left_out, log = len(log) - MOST, _first(log, MOST)
    count = round(train * len(log))
    if count < FEWEST:
        message = (
            f"{count} requests to fit to are too few: there are {len(log)}, of which {train:.0%} "
            f"are taken; {FEWEST} are needed"
        )
        raise InputError("log", [message])
    rows = np.arange(len(log)) < count
    found = fit(log, rows, pool, policy, progress)
    truth = measured_times(log)
    held_out = errors(truth, found.times, ~rows) if len(log) - count >= 2 else ()
    meta = {
        "from": "the times of requests",
        "requests": len(log),
        "fitted": count,
        "replays": found.replays,
        "most at once": _most_at_once(log),
    }
    if left_out > 0:
        meta["left out"] = left_out
    return Calibration(
        cost=found.cost,
        meta=meta | _setting(pool, policy),
        errors=held_out,
        seen=errors(truth, found.times, rows),
    )


def _first(log: Measured, count: int) -> Measured:
    if len(log) <= count:
        return log
    fields = {name: getattr(log, name) for name in log.__struct_fields__ if name != "notes"}
    kept = {name: value[:count] for name, value in fields.items() if value is not None}
    return msgspec.structs.replace(log, **kept)


def _setting(pool: Pool, policy: Policy) -> dict[str, Any]:
    fields = msgspec.to_builtins(policy)
    shown = ("model", "gpu", "tp", "pp", "kv_blocks", "memory_utilization", "prefix_cache")
    setting = {name: getattr(pool, name) for name in shown if getattr(pool, name) is not None}
    return setting | {"policy": {"policy": policy.name} | fields}


def _most_at_once(log: Measured) -> int:
    """The most requests that were between scheduling (first token, if unknown) and last token."""
    begin = log.first_token if log.scheduled is None else log.scheduled
    events = np.concatenate([begin, log.last_token])
    change = np.concatenate([np.ones(len(log)), -np.ones(len(log))])
    order = np.lexsort((change, events))  # at one instant, leave before coming
    return int(np.max(np.cumsum(change[order])))
