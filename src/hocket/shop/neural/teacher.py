"""A teacher for the neural rule: the tabu search's schedule, as answers to its questions."""

from __future__ import annotations

import numpy as np

from hocket.core.extras import need
from hocket.learn.asking import Choose, Question
from hocket.shop.model.jobshop import JobShop
from hocket.shop.neural.instances import work_of

ITERATIONS = 5_000
"""Of the tabu search: some milliseconds, and within a few per cent of the best known makespans."""


def teacher(shop: JobShop, seed: int) -> Choose:
    """Who lets the rival go first that goes first in a schedule found by tabu search.

    Followed from the beginning, this builds that schedule, or a better one where it was not active.
    Raises MissingExtra without numba.
    """
    need("numba", "solve")
    from hocket.shop.search.dispatch import best_rule
    from hocket.shop.search.instance import Shop, order_of, semi_active
    from hocket.shop.search.tabu import Tabu

    work = work_of(shop)
    plain = Shop.of(work.routes, len(work.free), work.ready)
    search = Tabu(plain, np.random.SeedSequence(seed))
    first = order_of(plain, best_rule(plain)[0])
    _, order = search.run(first, patience=ITERATIONS, limit=ITERATIONS)
    start, begins = semi_active(plain, order), plain.job_start

    def choose(question: Question) -> int:
        job, step = question.batch.tables["operations"].astype(np.int64).T
        return int(start[begins[job] + step].argmin())

    return choose
