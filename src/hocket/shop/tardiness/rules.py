"""Priority rules: one pass, no search. Each returns the sequence; ties go to the lower index.

Where a published rule breaks ties in its own way, its docstring says so.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from hocket.shop.tardiness.arrays import Ints, Numbers, jobs, weights


def spt(p: npt.ArrayLike, d: npt.ArrayLike) -> Ints:
    """Shortest processing time first (ties: earlier due date); minimises total flow time."""
    processing, due = jobs(p, d)
    return np.lexsort((due, processing))


def wspt(p: npt.ArrayLike, w: npt.ArrayLike) -> Ints:
    """Largest ``w/p`` first (Smith 1956, Naval Research Logistics Quarterly 3): min sum w C."""
    processing, _ = jobs(p, p)
    return np.argsort(-_ratio(weights(w, len(processing)), processing), kind="stable")


def edd(p: npt.ArrayLike, d: npt.ArrayLike) -> Ints:
    """Earliest due date first (ties: shorter job); minimises maximum lateness (Jackson 1955)."""
    processing, due = jobs(p, d)
    return np.lexsort((processing, due))


def minimum_slack(p: npt.ArrayLike, d: npt.ArrayLike) -> Ints:
    """Least slack ``d - p`` first; on one machine with equal releases the order never changes."""
    processing, due = jobs(p, d)
    return np.argsort(due - processing, kind="stable")


def mdd(p: npt.ArrayLike, d: npt.ArrayLike) -> Ints:
    """Modified due date: repeatedly the least ``max(t + p, d)``.

    Source: Baker and Bertrand 1982, Journal of Operations Management 3.
    """
    processing, due = jobs(p, d)
    return _dispatch(processing, lambda t, u: np.maximum(t + processing[u], due[u]))


def wmdd(p: npt.ArrayLike, d: npt.ArrayLike, w: npt.ArrayLike) -> Ints:
    """Weighted modified due date: repeatedly the least ``max(p, d - t) / w``.

    Source: Kanet and Li 2004, Journal of Scheduling 7. A job of weight 0 comes last.
    """
    processing, due = jobs(p, d)
    weight = weights(w, len(processing))
    return _dispatch(
        processing, lambda t, u: _ratio(np.maximum(processing[u], due[u] - t), weight[u])
    )


def atc(p: npt.ArrayLike, d: npt.ArrayLike, w: npt.ArrayLike | None = None, k: float = 2.0) -> Ints:
    """Apparent tardiness cost: repeatedly the most urgent job by
    ``(w / p) * exp(-max(0, d - t - p) / (k * mean p))``, the mean over the jobs still waiting.

    Source: Vepsalainen and Morton 1987, Management Science 33. The look-ahead `k` is positive;
    the paper uses 1.5 to 4.5. Compared as logarithms: far-off jobs must not underflow to ties.
    """
    processing, due = jobs(p, d)
    weight = weights(w, len(processing))
    with np.errstate(divide="ignore"):
        log_ratio = np.log(_ratio(weight, processing))

    def urgency(t: int, u: Ints) -> Numbers:
        slack = np.maximum(0, due[u] - t - processing[u])
        horizon = k * processing[u].mean()
        return slack / horizon - log_ratio[u] if horizon else -log_ratio[u]

    return _dispatch(processing, urgency)


def psk(p: npt.ArrayLike, d: npt.ArrayLike) -> Ints:
    """Panwalkar, Smith and Koulamas 1993 (European Journal of Operational Research 70).

    Jobs in SPT order (ties EDD); the active job is scheduled when it is late, or when the next job
    would make it late; a later job with an earlier due date becomes the active one in its stead.
    """
    processing, due = jobs(p, d)
    length, due_date = processing.tolist(), due.tolist()
    waiting = spt(processing, due).tolist()
    sequence: list[int] = []
    now = 0
    while waiting:
        active = 0
        if now + length[waiting[0]] < due_date[waiting[0]]:
            for following in range(1, len(waiting)):
                i, j = waiting[active], waiting[following]
                if due_date[i] <= now + length[j]:
                    break
                if due_date[i] > due_date[j]:
                    active = following
        job = waiting.pop(active)
        sequence.append(job)
        now += length[job]
    return np.array(sequence, dtype=np.int64)


def panneerselvam(p: npt.ArrayLike, d: npt.ArrayLike) -> Ints:
    """Panneerselvam 1991: repeatedly the largest ``(work left - d) / p`` first.

    Ties go to the higher index and a job of no length comes first, as in the code of Cetinkaya et
    al. 2025 (arXiv 2510.24013).
    """
    processing, due = jobs(p, d)
    waiting = np.arange(len(processing))
    work = int(processing.sum())
    sequence = np.empty_like(waiting)
    for position in range(len(waiting)):
        length = processing[waiting]
        ratio = np.where(length > 0, (work - due[waiting]) / np.maximum(length, 1), np.inf)
        last_best = len(waiting) - 1 - int(np.argmax(ratio[::-1]))
        sequence[position] = waiting[last_best]
        work -= int(length[last_best])
        waiting = np.delete(waiting, last_best)
    return sequence


def nbr(p: npt.ArrayLike, d: npt.ArrayLike) -> Ints:
    """Net benefit of relocation (Holsenback and Russell 1992, Journal of the OR Society 43).

    From EDD, working backwards: take the last late job k; of the longer jobs before it, find the
    one whose move to directly after k saves most, ``sum of min(p, T) over the jobs it releases``
    less its own added tardiness. If that is positive, move it; what stands last is then final.
    """
    processing, due = jobs(p, d)
    sequence = edd(processing, due)
    end = len(sequence)
    while end > 1:
        length = processing[sequence[:end]]
        late = np.cumsum(length) - due[sequence[:end]]
        late_positions = np.flatnonzero(late > 0)
        if not late_positions.size:
            break
        last = int(late_positions[-1])
        tardiness = np.maximum(late[: last + 1], 0)
        end = last
        longer = np.flatnonzero(length[:last] > length[last])
        if not longer.size:
            continue
        # gains[i, l]: what job l gains when the i-th longer job no longer stands before it
        gains = np.minimum(length[longer][:, None], tardiness[None, :])
        after = np.arange(last + 1)[None, :] > longer[:, None]
        moved = sequence[longer]
        own = np.maximum(length[: last + 1].sum() - due[moved], 0) - tardiness[longer]
        benefit = np.where(after, gains, 0).sum(axis=1) - own
        best = int(np.argmax(benefit))
        if benefit[best] > 0:
            source = int(longer[best])
            sequence[source : last + 1] = np.roll(sequence[source : last + 1], -1)
    return sequence


def moore_hodgson(p: npt.ArrayLike, d: npt.ArrayLike) -> Ints:
    """Fewest late jobs (Moore 1968, Management Science 15): EDD, late jobs at the end.

    Whenever a job would be late, the longest job accepted so far is given up.
    """
    processing, due = jobs(p, d)
    accepted: list[int] = []
    rejected: list[int] = []
    now = 0
    for job in edd(processing, due).tolist():
        accepted.append(job)
        now += int(processing[job])
        if now > due[job]:
            longest = max(accepted, key=lambda j: int(processing[j]))
            accepted.remove(longest)
            rejected.append(longest)
            now -= int(processing[longest])
    return np.array(accepted + rejected, dtype=np.int64)


def _dispatch(p: Ints, index: Callable[[int, Ints], Numbers]) -> Ints:
    """Build a sequence forwards: at time t, of the waiting jobs u, the least ``index(t, u)``."""
    waiting = np.arange(len(p))
    sequence = np.empty_like(waiting)
    now = 0
    for position in range(len(waiting)):
        chosen = int(np.argmin(index(now, waiting)))
        sequence[position] = waiting[chosen]
        now += int(p[waiting[chosen]])
        waiting = np.delete(waiting, chosen)
    return sequence


def _ratio(numerator: Numbers, denominator: Numbers) -> Numbers:
    """`numerator / denominator`; a zero denominator gives infinity, 0/0 included."""
    safe = np.where(denominator == 0, 1, denominator)
    ratio: Numbers = np.where(denominator == 0, np.inf, numerator / safe)
    return ratio
