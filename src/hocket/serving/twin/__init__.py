"""The calibrated twin: a recorded engine in the simulator, and how far it can be trusted.

A model is worth what it predicts of requests that it has not seen. So the cost model is fitted to
what had happened before the second half of a log's requests began to arrive; then the whole log is
served again on the virtual clock, and the second half's times are laid beside those measured.

>>> from hocket.serving.twin import twin, what_if  # doctest: +SKIP
>>> found = twin("run.jsonl")  # doctest: +SKIP
>>> [(row.metric, row.statistic, row.error) for row in found.errors]  # doctest: +SKIP
>>> what_if(found, ["policy=serving/past-future", "kv_blocks=0.5x"])  # doctest: +SKIP

The engine is not empty when the second half begins. It is not empty in the simulation either: that
begins with the first request of all, and the first half is its warm-up.
"""

from hocket.serving.twin.compare import Twin, twin
from hocket.serving.twin.prospect import Prospect, what_if
from hocket.serving.twin.served import Served, from_log, from_record, is_record

__all__ = [
    "Prospect",
    "Served",
    "Twin",
    "from_log",
    "from_record",
    "is_record",
    "twin",
    "what_if",
]
