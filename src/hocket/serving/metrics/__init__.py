"""The figures of a serving run: latency, goodput, memory, cost, fairness.

`metrics` is what every comparison shows (`hocket.serving.objectives.METRICS` says what each figure
means, and in which unit), `requests_table` has one row for each request, for whoever wants to look
closer.
"""

from hocket.serving.metrics.figures import metrics
from hocket.serving.metrics.table import RequestsTable, requests_table

__all__ = ["RequestsTable", "metrics", "requests_table"]
