"""vLLM's own server with a model so small that a CPU serves it, as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from hocket.serving.live.vllm.tiny import ENVIRONMENT
from tests.serving.live.gateway.front import free_port, samples

CONTEXT, BLOCKS = 1024, 256
ARGUMENTS = (
    "--served-model-name tiny --load-format dummy --enforce-eager --dtype float32 --block-size 32 "
    f"--max-model-len {CONTEXT} --num-gpu-blocks-override {BLOCKS + 1} --max-num-seqs 16 "
    "--max-num-batched-tokens 1024 --host 127.0.0.1"
).split()


class RealEngine:
    """One server; it takes a while until it is `ready`."""

    def __init__(self, model: Path, folder: Path, scheduler: dict[str, Any] | None = None) -> None:
        """With `scheduler`, settings of hocket's, that one composes its iterations."""
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / f"vllm-{self.port}.log"
        words = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model)]
        words += [*ARGUMENTS, "--port", str(self.port)]
        if scheduler is not None:
            words += ["--scheduler-cls", "hocket.serving.live.vllm.Scheduler"]
            words += ["--additional-config", json.dumps({"hocket": scheduler})]
        environment = os.environ | ENVIRONMENT
        del environment["VLLM_ENABLE_V1_MULTIPROCESSING"]  # a server has a process for its engine
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                words, stdout=log, stderr=log, env=environment, start_new_session=True
            )

    def ready(self, seconds: float = 180.0) -> None:
        """Wait until it can serve. Raises RuntimeError with the end of its log."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.process.poll() is None:
            try:
                with urlopen(f"{self.url}/health", timeout=1) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                pass
            time.sleep(0.2)
        raise RuntimeError(self.log.read_text(errors="replace")[-3000:])

    def kill(self) -> None:
        """End it as a crash would, with all its processes."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def gauge(self, name: str, **labels: str) -> float:
        """The sum of the samples of one of its metrics."""
        with urlopen(f"{self.url}/metrics", timeout=10) as answer:
            page = answer.read().decode()
        lines = "\n".join(line for line in page.splitlines() if line.startswith(f"vllm:{name}"))
        return sum(
            value
            for found, given, value in samples(lines)
            if found == f"vllm:{name}" and labels.items() <= given.items()
        )
