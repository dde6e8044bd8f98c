"""A SparkListener in Python: which stages begin and end, and what their tasks took."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from threading import Lock
from typing import Any

from hocket.core.extras import need

QUEUE = "hocket"
"""The listener has a queue of its own in Spark, so that it delays no other listener."""

KEPT = 1000
"""Of so many stages that ended last it is kept what they took; most are never asked for."""


class StageEvents:
    """Implements Spark's listener interface through Py4J's callback server.

    `wake` is called, from a thread of Py4J, whenever a stage begins or ends. What the tasks of
    ended stages took is kept until it is asked for, or `KEPT` others have ended since.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        """A listener that is not attached yet."""
        self._wake = wake
        self._work: dict[int, int] = {}
        self._lock = Lock()

    def onStageSubmitted(self, event: Any) -> None:  # noqa: N802  # Spark's name
        """A stage begins."""
        self._wake()

    def onStageCompleted(self, event: Any) -> None:  # noqa: N802  # Spark's name
        """A stage has ended, in whatever way."""
        info = event.stageInfo()
        with self._lock:
            self._work[int(info.stageId())] = int(info.taskMetrics().executorRunTime())
            while len(self._work) > KEPT:
                del self._work[next(iter(self._work))]
        self._wake()

    def __getattr__(self, name: str) -> Callable[..., None]:
        """All other events of the interface, which differ between versions of Spark."""
        if name.startswith("on"):
            return _ignore
        raise AttributeError(name)

    def work(self, stage: int) -> int | None:
        """Core-milliseconds of a stage's tasks, once; None if its end has not been heard of."""
        with self._lock:
            return self._work.pop(stage, None)

    class Java:
        """What Py4J looks for."""

        implements = ("org.apache.spark.scheduler.SparkListenerInterface",)


def _ignore(*_: Any) -> None:
    """An event that says nothing about stages."""


def attach(context: Any, listener: StageEvents) -> Callable[[], None]:
    """Attach a listener to a SparkContext; the function that detaches it.

    Raises whatever Py4J raises where Python cannot be called back.
    """
    gateway = need("pyspark.java_gateway", "spark")
    gateway.ensure_callback_server_started(context._gateway)
    scala = context._jsc.sc()
    # Each time that Py4J hands the listener over it is another object to Java; this is one of them.
    held = context._jvm.java.util.ArrayList()
    held.add(listener)
    known = held.get(0)
    try:
        scala.listenerBus().addToQueue(known, QUEUE)
    except need("py4j.protocol", "spark").Py4JError:
        scala.addSparkListener(known)

    def detach() -> None:
        with contextlib.suppress(Exception):  # the context may be gone already
            scala.removeSparkListener(known)

    return detach
