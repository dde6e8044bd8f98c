"""The authors' released weights, from their checkpoint file to one that hocket reads.

The file is ``checkpoint.pt`` of github.com/ingambe/End2End-Job-Shop-Scheduling-CP (MIT licence). It
is not part of hocket: a user who has it converts it once, and runs the policy with the result::

    >>> from hocket.shop.neural_cp.released import convert
    >>> convert("checkpoint.pt", "released.safetensors")

    $ hocket run shop/ta01 --policy shop/neural-cp --set weights=released.safetensors
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hocket.core.errors import InputError
from hocket.core.extras import need
from hocket.learn.weights import metadata, save
from hocket.shop.neural_cp.forward import checked
from hocket.shop.neural_cp.observation import Floats
from hocket.shop.policies.neural_cp import NeuralCP

_LAYER = {
    "attention": "self_attn.in_proj_",
    "mix": "self_attn.out_proj.",
    "inner": "linear1.",
    "outer": "linear2.",
    "before": "norm1.",
    "between": "norm2.",
}
_THEIRS = {
    "project.": "project.",
    "started.": "embedding_fixed.",
    "next.": "embedding_legal_op.",
    "tokens.": "tokens_start_end.",
    **{f"window.{ours}.": f"enc1.{theirs}" for ours, theirs in _LAYER.items()},
    **{f"jobs.{ours}.": f"enc2.{theirs}" for ours, theirs in _LAYER.items()},
    "job.inner.": "final_tmp.0.",
    "job.outer.": "final_tmp.2.",
    "wait.inner.": "no_op.0.",
    "wait.outer.": "no_op.2.",
}
_NO_BIAS = ("started.", "next.", "tokens.")


def read(checkpoint: str | Path) -> dict[str, Floats]:
    """The weights in the released checkpoint, by the names of our network.

    Only tensors are unpickled, no code. Raises InputError if it is not such a checkpoint.
    """
    torch = need("torch", "learn")
    try:
        stored = torch.load(checkpoint, map_location="cpu", weights_only=True)
        theirs = {k.removeprefix("actor."): v for k, v in stored["model"].items()}
        found = {
            ours + part: theirs[name + part].numpy().astype(np.float32)
            for ours, name in _THEIRS.items()
            for part in (("weight",) if ours in _NO_BIAS else ("weight", "bias"))
        }
    except OSError:
        raise
    except Exception as error:
        told = f"this is not the released checkpoint: {type(error).__name__}: {error}"
        raise InputError(str(checkpoint), [told.partition("\n")[0]]) from error
    return found


def convert(checkpoint: str | Path, out: str | Path) -> Path:
    """Write the released weights as a file that ``--set weights=`` takes; returns its path.

    Raises InputError if `checkpoint` is not the released one, UserError if `out` cannot be written.
    """
    weights = dict(checked(read(checkpoint)))
    return save(out, weights, metadata(NeuralCP(), source="ingambe/End2End-Job-Shop-Scheduling-CP"))
