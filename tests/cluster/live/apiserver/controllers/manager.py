"""The thread that lets all controllers look at the cluster whenever something has changed."""

from __future__ import annotations

import threading
import time
from typing import Protocol

from tests.cluster.live.apiserver.api import Api
from tests.cluster.live.apiserver.controllers.budgets import Budgets
from tests.cluster.live.apiserver.controllers.kubelet import Kubelet
from tests.cluster.live.apiserver.controllers.nodes import Nodes
from tests.cluster.live.apiserver.controllers.replicasets import ReplicaSets
from tests.cluster.live.apiserver.controllers.scheduler import Scheduler
from tests.cluster.live.apiserver.errors import ApiError


class Controller(Protocol):
    """Brings the cluster nearer to what is wanted."""

    def reconcile(self, api: Api, now: float) -> float | None:
        """Act on the present state; when to look again at the latest, None if nothing is due."""


class Manager:
    """All controllers of a cluster; the scheduler only if it is wanted.

    `kubelet`: how long pods take to start and stop. `scheduler`: whose pods it places.
    """

    def __init__(self, api: Api, *, scheduler: bool = False) -> None:
        self.api = api
        self.kubelet = Kubelet()
        self.replicasets = ReplicaSets()
        self.scheduler = Scheduler()
        others: tuple[Controller, ...] = (self.kubelet, Nodes(), Budgets())
        first = (self.replicasets, self.scheduler) if scheduler else (self.replicasets,)
        self._all: tuple[Controller, ...] = (*first, *others)
        self._seen = 0
        self._due: float | None = None
        self._running = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._running = True
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        with self.api.lock:
            self._running = False
            self.api.lock.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def settled(self, seconds: float) -> bool:
        """Whether within so many seconds all is done and nothing is due."""

        def done() -> bool:
            return self._seen == self.api.store.version and self._due is None

        return self.api.store.wait(done, seconds)

    def _run(self) -> None:
        store = self.api.store
        while self._running:
            with self.api.lock:
                version = store.version
            now = time.monotonic()
            due = [self._step(controller, now) for controller in self._all]
            times = [one for one in due if one is not None]
            with self.api.lock:
                self._seen, self._due = version, min(times, default=None)
                self.api.lock.notify_all()
                pause = None if self._due is None else max(self._due - time.monotonic(), 0.001)
                store.wait(lambda: store.version > self._seen or not self._running, pause)

    def _step(self, controller: Controller, now: float) -> float | None:
        try:
            return controller.reconcile(self.api, now)
        except ApiError:  # somebody else was quicker; the next look sees what is there now
            return now
