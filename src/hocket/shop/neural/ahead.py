"""What the network is told of the machines that a rival's job still has to visit, and the others.

Every rival has a row for each machine of its lane that has work left, so all rivals of a lane have
equally many. Times are as in `situation`.
"""

from __future__ import annotations

import numpy as np

from hocket.learn.batch import Floats, Ints
from hocket.shop.neural.building import TRACE, Building
from hocket.shop.neural.features import LIMIT
from hocket.shop.neural.situation import Lanes, Rivals, at

MACHINE_FEATURES = 12


def machines_ahead(b: Building, lanes: Lanes, r: Rivals) -> tuple[Ints, Floats]:
    """How many rows each lane has, and the rows, rival after rival: (rows, MACHINE_FEATURES).

    The first feature says whether the job itself has work left there.
    """
    m, c = np.nonzero(lanes.busy.take(r.lane, 1)[: b.instances.M])
    order = np.argsort(c, kind="stable")
    m, c = m[order], c[order]
    lane, whole, job = r.lane[c], r.whole[c], r.job[c]

    cell = (whole * b.on.shape[1] + m) * b.on.shape[2] + job
    work = b.on.reshape(-1).take(cell)
    visits = work > TRACE
    there = (r.of[c] * b.on.shape[1] + m) * b.on.shape[2] + job
    rest = b.instances.from_there.reshape(-1).take(there)
    arrival = (r.start + r.rest)[c] - rest
    free, load = at(lanes.free, m, lane), at(lanes.load, m, lane)
    slack = r.bound[c] - at(lanes.by_tail, m, lane)
    late = r.bound[c] - np.maximum(arrival, free) - rest
    columns = [
        visits,
        work,
        (arrival - free) * visits,
        (arrival - r.end[c]) * visits,
        late * visits,
        load,
        load * r.share[c] * visits,
        slack,
        slack * r.share[c],
        free - r.end[c],
        at(lanes.queue, m, lane),
        m == r.machine[c],
    ]
    table = np.stack(columns, dtype=np.float32, casting="same_kind").clip(-LIMIT, LIMIT)
    return np.bincount(lane, minlength=lanes.bound.shape[0]), np.ascontiguousarray(table.T)
