"""Fair sharing of a Spark application among its users, on Spark as it is released.

>>> from hocket.cluster.live.spark import UserFairness  # doctest: +SKIP
>>> with UserFairness(spark, policy="cluster/uwfq") as fairness:  # doctest: +SKIP
...     report = fairness.submit("ada", lambda session: session.table("sales").count())
...     report.result()
"""

from hocket.cluster.live.spark.fairness import UserFairness
from hocket.cluster.live.spark.job import LiveJob

__all__ = ["LiveJob", "UserFairness"]
