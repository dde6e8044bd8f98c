"""A short application on real Spark that writes an event log.

``python spark_session.py DIR CODEC``: two users run, side by side, two jobs of two stages and a
query; then a job fails.
"""

from __future__ import annotations

import sys


def main(folder: str, codec: str) -> None:
    """Run it, rolled if the codec is zstd."""
    from pyspark import InheritableThread, SparkContext
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[2]").appName("shared")
    settings = {
        "spark.ui.enabled": "false",
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": f"file://{folder}",
        "spark.eventLog.compress": "true",
        "spark.eventLog.compression.codec": codec,
        "spark.eventLog.rolling.enabled": str(codec == "zstd").lower(),
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.autoBroadcastJoinThreshold": "-1",
    }
    for name, value in settings.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    context: SparkContext = spark.sparkContext

    def work(user: str) -> None:
        context.setLocalProperty("user.name", user)
        for _ in range(2):
            context.parallelize(range(30), 3).map(lambda x: (x % 3, 1)).reduceByKey(
                lambda a, b: a + b, 2
            ).collect()
        numbers = spark.range(0, 1000, 1, 2)
        numbers.groupBy((numbers.id % 7).alias("k")).count().orderBy("count").collect()

    threads = [InheritableThread(target=work, args=(user,)) for user in ("ann", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        context.parallelize(range(2), 2).map(lambda x: 1 // 0).count()
    except Exception as error:
        print("failed, as it should:", type(error).__name__)
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
