"""A certificate for https, made by the openssl command."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

_DAYS = "2"


def make(folder: Path) -> tuple[Path, Path] | None:
    """Files of a fresh certificate for 127.0.0.1 and its key; None without openssl.

    kubectl sends bearer tokens over https only.
    """
    openssl = shutil.which("openssl")
    if openssl is None:
        return None
    certificate, key = folder / "server.crt", folder / "server.key"
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-nodes", "-days", _DAYS, "-subj", "/CN=127.0.0.1"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key)),
            *("-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
        timeout=30,
    )
    return certificate, key
