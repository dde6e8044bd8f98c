"""API servers for tests, and the clients that are tried against them."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.live.apiserver import ApiServer, Json, certificates, serving

Serve = Callable[..., ApiServer]
Kubectl = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """``serve(*objects, **options)``: a running ApiServer that is stopped after the test."""
    with contextlib.ExitStack() as stack:

        def start(*objects: Json, **options: Any) -> ApiServer:
            return stack.enter_context(serving(*objects, **options))

        yield start


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The certificate and key of an https server: ``serve(..., tls=certificate)``."""
    made = certificates.make(tmp_path_factory.mktemp("tls"))
    if made is None:
        pytest.skip("openssl is not installed; it makes the certificate that kubectl needs")
    return made


@pytest.fixture
def kubectl(tmp_path: Path) -> Kubectl:
    """``kubectl(server, "get", "pods", token=...)``: the real command against an https server.

    Another binary than the one on the path can be named by the variable KUBECTL.
    """
    binary = shutil.which(os.environ.get("KUBECTL", "kubectl"))
    if binary is None:
        pytest.skip("kubectl is not installed")

    def run(
        server: ApiServer, *words: str, token: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        options = {} if token is None else {"token": token}
        config = server.kubeconfig(tmp_path / "kubeconfig", **options)
        done = subprocess.run(
            [binary, "--kubeconfig", str(config), "--cache-dir", str(tmp_path / "cache"), *words],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"kubectl {' '.join(words)}: {done.stderr}")
        return done

    return run
