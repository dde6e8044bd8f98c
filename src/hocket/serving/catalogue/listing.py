"""The catalogue as lists for people: which models and GPUs a pool may name."""

from __future__ import annotations

from hocket.serving.catalogue import gpus, models


def listing() -> dict[str, list[dict[str, str]]]:
    """Models and GPUs with what decides where they fit, and the source of each entry."""
    return {
        "models": [
            {
                "name": name,
                "parameters": f"{model.parameters / 1e9:.1f} B",
                "context": f"{model.positions:,}",
                "KV per token": f"{model.kv_bytes / 1024:g} KiB",
                "source": model.source,
            }
            for name, model in models().items()
        ],
        "gpus": [
            {
                "name": name,
                "memory": f"{gpu.memory:g} GiB",
                "bandwidth": f"{gpu.bandwidth:,.0f} GB/s",
                "bf16": f"{gpu.tflops:,.0f} TFLOPS",
                "link": f"{gpu.link:g} GB/s",
                "source": gpu.source,
            }
            for name, gpu in gpus().items()
        ],
    }
