"""The server that tests start: a cluster in memory behind a port."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterable, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.live.apiserver.api import Api
from tests.cluster.live.apiserver.calls import Call
from tests.cluster.live.apiserver.controllers import Manager
from tests.cluster.live.apiserver.errors import Json
from tests.cluster.live.apiserver.faults import Faults
from tests.cluster.live.apiserver.handler import Handler
from tests.cluster.live.apiserver.rbac import User, account
from tests.cluster.live.apiserver.resources import of

ADMIN_TOKEN = "admin-token-of-the-test-server"


class Listener(ThreadingHTTPServer):
    """The listening socket, and all connections that were accepted there."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, owner: ApiServer, port: int) -> None:
        self.owner = owner
        self.connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), Handler)
        if owner.tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*owner.tls)
            # The handshake is left to the thread of the connection.
            self.socket = context.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: connections break, that is what tests are about."""

    def hang_up(self) -> None:
        """Close every connection, in the middle of whatever it does."""
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class ApiServer:
    """A small conforming Kubernetes API server, with its controllers.

    - `api`: the cluster itself, for changes behind the backs of all clients
    - `faults`: what is to go wrong; `calls`: every call so far, in order
    - `manager`: the controllers, which run from `start` on (`controllers=False`: none do;
      `scheduler`: with a toy default scheduler)
    - `latency`: seconds before every answer; `bookmarks`: seconds between bookmarks of a watch
    - `tls`: files of a certificate and its key, to serve https
    """

    def __init__(
        self,
        *,
        controllers: bool = True,
        scheduler: bool = False,
        tls: tuple[Path, Path] | None = None,
        seed: int = 0,
    ) -> None:
        self.api = Api(seed)
        self.faults = Faults()
        self.calls: list[Call] = []
        self.manager = Manager(self.api, scheduler=scheduler)
        self.latency = 0.0
        self.bookmarks = 60.0
        self.tls = tls
        self.epoch = 0
        self.users: dict[str, User] = {ADMIN_TOKEN: User("admin")}
        self.port = 0
        self._controllers = controllers
        self._listener: Listener | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> ApiServer:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen on a free port; after `stop` on the same as before, with all that was stored."""
        self._listener = Listener(self, self.port)
        self.port = self._listener.server_address[1]
        self._thread = threading.Thread(
            target=self._listener.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()
        if self._controllers:
            self.manager.start()

    def stop(self) -> None:
        """Refuse connections and break those that are open; the cluster stays as it is."""
        self.manager.stop()
        self.refuse()

    def refuse(self) -> None:
        """As `stop`, but the cluster lives on: its controllers keep working."""
        if self._listener is None or self._thread is None:
            return
        self._listener.shutdown()
        self._listener.server_close()
        self.drop_watches()
        self._listener.hang_up()
        self._thread.join()
        self._listener = self._thread = None

    def restart(self, *, forget: bool = False) -> None:
        """Stop and start; with `forget` all older versions are compacted away."""
        self.stop()
        if forget:
            self.api.store.compact()
        self.start()

    def drop_watches(self) -> None:
        """Break the connection of every watch."""
        with self.api.lock:
            self.epoch += 1
            self.api.lock.notify_all()

    def compact(self) -> None:
        """Forget old versions and break all watches: going on from before gets 410 Gone."""
        self.api.store.compact()
        self.drop_watches()

    def account(self, manifests: Iterable[Json], namespace: str, name: str) -> str:
        """The token of a service account that may do what the manifests grant, and no more."""
        token = f"token-of-{namespace}-{name}"
        self.users[token] = account(manifests, namespace, name)
        return token

    def revoke(self, token: str = ADMIN_TOKEN) -> None:
        """Let a token be expired: 401 from now on."""
        self.users.pop(token, None)

    def user_of(self, call: Call) -> User | None:
        kind, _, token = call.headers.get("Authorization", "").partition(" ")
        return self.users.get(token.strip()) if kind == "Bearer" else None

    def made(self, verb: str = "", resource: str = "") -> list[Call]:
        """The calls of a verb on a resource, as in RBAC rules."""
        return [
            call for call in list(self.calls) if verb in ("", call.verb) and call.is_of(resource)
        ]

    def objects(self, plural: str, namespace: str = "") -> list[Json]:
        """What is stored of a kind."""
        return self.api.store.all(of(plural).plural, namespace)

    def placed(self) -> dict[str, str | None]:
        """The node of every pod that is not leaving, None while it is pending."""
        return {
            f"{pod['metadata']['namespace']}/{pod['metadata']['name']}": pod["spec"].get("nodeName")
            for pod in self.objects("pods")
            if "deletionTimestamp" not in pod["metadata"]
        }

    def settle(self, seconds: float = 10.0) -> None:
        """Wait until the controllers have nothing left to do; TimeoutError if they never have."""
        if not self.manager.settled(seconds):
            raise TimeoutError(f"the controllers are still busy after {seconds} s")

    def kubeconfig(self, path: Path, token: str = ADMIN_TOKEN, namespace: str = "default") -> Path:
        """Write the kubeconfig of a user with a bearer token; its path."""
        cluster: Json = {"server": self.url}
        if self.tls is not None:
            cluster["certificate-authority"] = str(self.tls[0])
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "test", "user": {"token": token}}],
            "contexts": [
                {
                    "name": "test",
                    "context": {"cluster": "test", "user": "test", "namespace": namespace},
                }
            ],
        }
        path.write_text(yaml.safe_dump(document))
        return path

    def client(self, token: str = ADMIN_TOKEN) -> Any:
        """An ApiClient of the official Python client."""
        from kubernetes import client

        settings = client.Configuration()
        settings.host = self.url
        settings.api_key = {"authorization": f"Bearer {token}"}
        if self.tls is not None:
            settings.ssl_ca_cert = str(self.tls[0])
        return client.ApiClient(settings)


@contextlib.contextmanager
def serving(*objects: Json, **options: Any) -> Iterator[ApiServer]:
    """A server whose cluster holds these objects from the start."""
    server = ApiServer(**options)
    server.api.seed(*objects)
    with server:
        yield server
