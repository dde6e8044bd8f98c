"""Calibrations as files that scenarios can name.

pools:
  - {gpu: RTX 4090, model: llama-3.1-8b, cost: {kind: file, path: model.yaml}}
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from hocket.core.writing import write_text
from hocket.serving.calibrate.calibration import Calibration


def write(calibration: Calibration, path: str | Path) -> None:
    """Write a YAML file with the keys ``cost``, ``meta``, ``errors`` and ``seen``."""
    write_text(path, dumps(calibration))


def dumps(calibration: Calibration) -> str:
    """The text of such a file. Errors are rounded to what they can mean."""
    import yaml

    data = msgspec.to_builtins(calibration)
    for name in ("errors", "seen"):
        data[name] = [{key: _rounded(value) for key, value in row.items()} for row in data[name]]
    text: str = yaml.safe_dump(
        {key: value for key, value in data.items() if value},
        sort_keys=False,
        default_flow_style=None,
        width=100,
    )
    return "# A cost model; name it in a pool as cost: {kind: file, path: ...}\n" + text


def _rounded(value: object) -> object:
    return float(f"{value:.4g}") if isinstance(value, float) else value
