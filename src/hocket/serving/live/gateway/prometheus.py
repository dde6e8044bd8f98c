"""The gateway's own metrics, for Prometheus.

Labels have few values by construction: tenants and models are named by clients, so only those that
the config or a backend knows are told apart.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from hocket.serving.live.gateway.logs import Entry
from hocket.serving.live.gateway.upstream import Upstream

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0,
)  # fmt: skip
_STATES = {"closed": 0, "half-open": 1, "open": 2}


class Metrics:
    """Everything that is counted. With several workers, the page tells the sums of all."""

    def __init__(self, tenants: Iterable[str] = ()) -> None:
        """`tenants` are told apart; all others are ``other``."""
        self._tenants = {*tenants, "default"}
        self.registry = registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"hocket_gateway_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str, mode: str = "livesum") -> Gauge:
            full = f"hocket_gateway_{name}"
            return Gauge(full, text, labels, registry=registry, multiprocess_mode=mode)  # type: ignore[arg-type]

        def histogram(name: str, text: str, *labels: str) -> Histogram:
            full = f"hocket_gateway_{name}"
            return Histogram(full, text, labels, registry=registry, buckets=_SECONDS)

        self._requests = counter("requests", "Requests answered", "tenant", "backend", "status")
        self._ttft = histogram("ttft_seconds", "From arrival to the first byte", "backend")
        self._e2e = histogram("e2e_seconds", "From arrival to the last byte", "backend")
        self._queued = histogram("queued_seconds", "From arrival to admission")
        self._tokens = counter("tokens", "Tokens of prompts and answers", "tenant", "kind")
        self._failures = counter("backend_failures", "Failed attempts", "backend", "reason")
        self._retries = counter("retries", "Requests sent again, before their first byte")
        self._resumed = counter("resumed", "Streams that went on elsewhere", "cause")
        self._broken = counter("broken_streams", "Streams that died and could not go on")
        self._shed = counter("shed", "Requests refused", "tenant", "status")
        self._rejected = counter("rejected", "Turned away before they were requests", "status")
        self._gone = counter("clients_gone", "Clients that went away before the end")
        self._malformed = counter("malformed", "Malformed lines passed on", "backend")
        self._served = gauge("requests_in_flight", "Requests being served or waiting")
        self._waiting = gauge("queue", "Requests that wait for admission")
        self._sent = gauge("backend_in_flight", "Requests sent to a backend", "backend")
        self._healthy = gauge("backend_healthy", "Whether it is well", "backend", mode="livemin")
        self._breaker = gauge("breaker", "0 closed, 1 half open, 2 open", "backend", mode="livemax")

    def tenant(self, name: str) -> str:
        """The label of a tenant."""
        return name if name in self._tenants else "other"

    def finished(self, entry: Entry) -> None:
        """A request is over."""
        tenant = self.tenant(entry.tenant)
        self._requests.labels(tenant, entry.backend, str(entry.status)).inc()
        if entry.status == 499:
            self._gone.inc()
        if entry.queued is not None:
            self._queued.observe(entry.queued)
        if entry.ttft is not None:
            self._ttft.labels(entry.backend).observe(entry.ttft)
            self._e2e.labels(entry.backend).observe(entry.e2e)
            self._tokens.labels(tenant, "prompt").inc(entry.prompt)
            self._tokens.labels(tenant, "answer").inc(entry.answer)
        if entry.malformed:
            self._malformed.labels(entry.backend).inc(entry.malformed)

    def failed(self, backend: str, reason: str) -> None:
        """An attempt failed."""
        self._failures.labels(backend, reason).inc()

    def retried(self) -> None:
        """A request is sent again."""
        self._retries.inc()

    def resumed(self, cause: str) -> None:
        """A stream goes on elsewhere: its backend has failed, or it is moved."""
        self._resumed.labels(cause).inc()

    def broken(self) -> None:
        """A stream has died."""
        self._broken.inc()

    def rejected(self, status: int) -> None:
        """Something was turned away: it had no key, was too large, or was no request."""
        self._rejected.labels(str(status)).inc()

    def refused(self, tenant: str, status: int) -> None:
        """A request was not admitted."""
        self._shed.labels(self.tenant(tenant), str(status)).inc()

    def look(self, upstreams: Iterable[Upstream], served: int, waiting: int, now: int) -> None:
        """Set the gauges to what is the case now."""
        self._served.set(served)
        self._waiting.set(waiting)
        for one in upstreams:
            self._sent.labels(one.name).set(one.sent)
            self._healthy.labels(one.name).set(one.healthy)
            self._breaker.labels(one.name).set(_STATES[one.breaker.state(now)])

    def page(self) -> bytes:
        """The page."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self.registry)
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return generate_latest(together)
