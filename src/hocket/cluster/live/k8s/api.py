"""The few calls to the Kubernetes API that it takes to rearrange a cluster, by its own client.

Objects are plain data as the API sends them. Nothing here, and no message of an error, holds a
token: what is told of an answer is its status, its reason and the message in its body.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Literal

import msgspec
import yaml

from hocket.core.errors import HocketError, UserError
from hocket.core.extras import need

Kind = Literal["nodes", "pods", "budgets"]
KINDS: tuple[Kind, ...] = ("nodes", "pods", "budgets")

TRIES = 5
"""So often a call is repeated that fails for a passing reason, waiting 0.2 s and then twice as long
each time, or as long as the server asks."""

_PASSING = (408, 429, 500, 502, 503, 504)
_CHUNK = 500
_CALL = 30.0


class Refused(HocketError):
    """The API said no. `status` is that of HTTP, 0 if there was no answer at all."""

    def __init__(self, status: int, message: str) -> None:
        """`message` says what was asked and what the answer was."""
        super().__init__(message)
        self.status = status


class Api:
    """One cluster. Every method raises Refused; passing failures have been retried by then."""

    def __init__(self, client: Any) -> None:
        """`client` is a configured ``kubernetes.client.ApiClient``."""
        package = need("kubernetes.client", "k8s")
        self._core, self._policy = package.CoreV1Api(client), package.PolicyV1Api(client)
        self._package = package
        self._watches: set[Any] = set()
        self._lists: dict[Kind, Any] = {
            "nodes": self._core.list_node,
            "pods": self._core.list_pod_for_all_namespaces,
            "budgets": self._policy.list_pod_disruption_budget_for_all_namespaces,
        }

    @classmethod
    def connect(cls, kubeconfig: str | None = None, context: str | None = None) -> Api:
        """The cluster of a kubeconfig and context, or, inside a pod, the one it runs in.

        Raises UserError where there is no such configuration, MissingExtra without the client.
        """
        config = need("kubernetes.config", "k8s")
        client = need("kubernetes.client", "k8s")
        settings = client.Configuration()
        try:
            if kubeconfig is None and context is None:
                try:
                    config.load_incluster_config(client_configuration=settings)
                except config.ConfigException:
                    config.load_kube_config(client_configuration=settings)
            else:
                config.load_kube_config(
                    config_file=kubeconfig, context=context, client_configuration=settings
                )
        except (
            config.ConfigException,
            yaml.YAMLError,
            AttributeError,  # what the client makes of YAML that is no kubeconfig
            OSError,
            TypeError,
            ValueError,
        ) as error:
            what = _first(error).rstrip(".")
            raise UserError(
                f"no cluster to connect to: {what}; give --kubeconfig or --context, or try "
                "`kubectl config current-context`"
            ) from None
        settings.retries = 0  # this module retries, and knows when it must not
        return cls(client.ApiClient(settings))

    def list(self, kind: Kind) -> tuple[list[dict[str, Any]], str]:
        """All objects of a kind, and the version of the list, from which to watch."""
        found: list[dict[str, Any]] = []
        token: str | None = None
        while True:
            page = self._call(f"list {kind}", partial(self._page, kind, token))
            document = _document(page, f"list {kind}")
            found += document.get("items") or []
            metadata = document.get("metadata") or {}
            token = metadata.get("continue")
            if not token:
                return found, str(metadata.get("resourceVersion", ""))

    def _page(self, kind: Kind, token: str | None) -> Any:
        more = {} if token is None else {"_continue": token}
        return self._lists[kind](
            limit=_CHUNK, _preload_content=False, _request_timeout=_CALL, **more
        )

    def watch(self, kind: Kind, version: str, seconds: int) -> Iterator[tuple[str, dict[str, Any]]]:
        """Changes since a version, as (type, object), for so many seconds at most.

        Ends when the server ends it; raises Refused with status 410 when the version is too old.
        """
        watching = need("kubernetes.watch", "k8s").Watch(return_type="object")
        self._watches.add(watching)
        try:
            for event in watching.stream(
                self._lists[kind],
                resource_version=version,
                timeout_seconds=seconds,
                allow_watch_bookmarks=True,
                _request_timeout=(_CALL, seconds + _CALL),
            ):
                yield event["type"], event["raw_object"]
        except Exception as error:
            raise self._refused(f"watch {kind}", error) from None
        finally:
            self._watches.discard(watching)
            watching.stop()

    def hang_up(self) -> None:
        """End all watches; one that waits for an event ends at once where the client can do it."""
        for watching in list(self._watches):
            watching.stop()

    def evict(self, namespace: str, name: str, uid: str, *, dry_run: bool = False) -> None:
        """Evict this very pod, if its disruption budgets allow it."""
        body = self._package.V1Eviction(
            metadata=self._package.V1ObjectMeta(name=name, namespace=namespace),
            delete_options=self._package.V1DeleteOptions(
                preconditions=self._package.V1Preconditions(uid=uid),
                dry_run=["All"] if dry_run else None,
            ),
        )
        more = {"dry_run": "All"} if dry_run else {}
        self._call(
            f"evict {namespace}/{name}",
            lambda: self._core.create_namespaced_pod_eviction(
                name, namespace, body, _preload_content=False, _request_timeout=_CALL, **more
            ),
            passing=tuple(status for status in _PASSING if status != 429),
        )

    def bind(self, namespace: str, name: str, uid: str, node: str) -> None:
        """Bind this very pod to a node."""
        body = self._package.V1Binding(
            metadata=self._package.V1ObjectMeta(name=name, namespace=namespace, uid=uid),
            target=self._package.V1ObjectReference(api_version="v1", kind="Node", name=node),
        )
        self._call(
            f"bind {namespace}/{name} to {node}",
            lambda: self._core.create_namespaced_pod_binding(
                name, namespace, body, _preload_content=False, _request_timeout=_CALL
            ),
        )

    def read_pod(self, namespace: str, name: str) -> dict[str, Any] | None:
        """A pod as it is now; None if there is none of this name."""
        what = f"read {namespace}/{name}"
        try:
            answer = self._call(
                what,
                lambda: self._core.read_namespaced_pod(
                    name, namespace, _preload_content=False, _request_timeout=_CALL
                ),
            )
        except Refused as refused:
            if refused.status == 404:
                return None
            raise
        return _document(answer, what)

    def _call(self, what: str, call: Callable[[], Any], passing: tuple[int, ...] = _PASSING) -> Any:
        wait = 0.2
        for left in range(TRIES - 1, -1, -1):
            try:
                return call()
            except Exception as error:
                refused = self._refused(what, error)
                if left == 0 or (refused.status and refused.status not in passing):
                    raise refused from None
                asked = _retry_after(error)
            time.sleep(min(asked, 10.0) if asked else wait * (1 + random.random() / 4))
            wait *= 2
        raise AssertionError("unreachable")

    def _refused(self, what: str, error: Exception) -> Refused:
        """What went wrong, without anything of the request."""
        if isinstance(error, Refused):
            return error
        status = getattr(error, "status", None)
        if not isinstance(status, int):
            return Refused(0, f"cannot {what}: no answer from the API server ({_first(error)})")
        told = _told(error)
        if status == 401:
            told = "the credentials are not accepted; they may have expired: log in again"
        elif status == 403:
            told = f"not allowed: {told}; `hocket live k8s --manifest` shows the rights it needs"
        return Refused(status, f"cannot {what}: {told} ({status})")


def _document(answer: Any, what: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(answer.data, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise Refused(0, f"cannot {what}: the answer is no JSON object ({error})") from None


def _told(error: Any) -> str:
    """The message in the body of an answer, else its reason."""
    try:
        body = msgspec.json.decode(error.body or b"{}", type=dict[str, Any])
    except (msgspec.MsgspecError, TypeError, AttributeError):
        body = {}
    return str(body.get("message") or error.reason or "refused")[:300]


def _retry_after(error: Any) -> float:
    headers = getattr(error, "headers", None) or {}
    try:
        return float(headers.get("Retry-After", 0))
    except (TypeError, ValueError):
        return 0.0


def _first(error: BaseException) -> str:
    return str(error).partition("\n")[0][:200] or type(error).__name__
