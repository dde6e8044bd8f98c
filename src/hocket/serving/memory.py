"""How much key-value memory a replica has.

What a GPU has left after the weights and the activations of the largest iteration holds keys and
values, in blocks (Kwon et al., "Efficient Memory Management for Large Language Model Serving with
PagedAttention", SOSP 2023, section 4).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hocket.core.errors import Problem, UnknownName
from hocket.serving import catalogue
from hocket.serving.catalogue.gpu import GIB

if TYPE_CHECKING:
    from hocket.serving.model.cluster import Pool

BATCH_TOKENS = 2048
BATCH_SEQS = 256
# Sampling with top-k and top-p sorts: logits in 16 and 32 bits, sorted values, their places in 64
# bits, probabilities, running sums. vLLM's start-up log tells the peak: 1.40 GiB for 256 sequences
# of a vocabulary of 151,936, 1.20 GiB for 128,256, both 39 bytes per logit.
SAMPLING = 39
RUNTIME = 0.08 * GIB  # context and libraries of CUDA, "non-torch memory" of the same log


def problems(path: str, pool: Pool, *, template: bool = False) -> Iterator[Problem]:
    """What keeps the pool's model from running on its GPUs. `path` leads to the pool.

    Of a `template`, whose GPUs and cut a search chooses, only names are looked at.
    """
    found = True
    for field, name, lookup in (
        ("gpu", pool.gpu, catalogue.gpu),
        ("model", pool.model, catalogue.model),
    ):
        if not name and not template and _told(pool):
            found = False
            continue
        try:
            lookup(name)
        except UnknownName as error:
            found = False
            yield Problem(f"{path}.{field}", str(error))
    if found and not template:
        yield from _split(path, pool)
        yield from _fit(path, pool)
        yield from _context(path, pool)


def _told(pool: Pool) -> bool:
    """Whether nothing has to follow from the model or the GPU, so that they may be unnamed."""
    kind = pool.cost.__struct_config__.tag
    asks = pool.host_blocks or kind == "roofline" or (kind == "table" and pool.tp > 1)
    return pool.kv_blocks is not None and pool.max_context is not None and not asks


def blocks(pool: Pool) -> int:
    """Blocks of key-value memory of one replica, 0 if the model leaves no room."""
    if pool.kv_blocks is not None:
        return pool.kv_blocks
    return max(0, int(_room(pool) // _block_bytes_per_gpu(pool)))


def block_bytes(pool: Pool) -> int:
    """Bytes of one block over all GPUs of a replica."""
    return catalogue.model(pool.model).kv_bytes * pool.block_size


def max_context(pool: Pool) -> int:
    """Most tokens of prompt and answer of one request, at most what memory holds."""
    asked = pool.max_context or catalogue.model(pool.model).positions
    return min(asked, blocks(pool) * pool.block_size)


def weight_bytes(pool: Pool) -> float:
    """Bytes of weights on each GPU; every rank of a tensor-parallel group holds its share."""
    model = catalogue.model(pool.model)
    return model.parameters * model.dtype_bytes / (pool.tp * pool.pp)


def reserve_bytes(pool: Pool) -> float:
    """Bytes per GPU for what is neither weights nor keys and values.

    Engines find it by a trial run of the largest iteration (2048 tokens, 256 sequences): the layer
    with the widest activations, or sampling if that takes more; besides the table of rotary angles
    and the runtime itself.
    """
    model = catalogue.model(pool.model)
    width = 3 * model.intermediate * max(1, model.active) / pool.tp + 3 * model.hidden
    layer = BATCH_TOKENS * width * model.dtype_bytes
    sampling = BATCH_SEQS * model.vocab * SAMPLING
    # The table is made for all positions of the model, even if fewer are served.
    rows = 0 if model.learned_positions else max(model.positions, pool.max_context or 0)
    angles = rows * model.head_dim * model.dtype_bytes
    return max(layer, sampling) + angles + RUNTIME


def _room(pool: Pool) -> float:
    """Bytes per GPU that keys and values may take; negative if the model does not fit."""
    usable = catalogue.gpu(pool.gpu).bytes * pool.memory_utilization
    return usable - weight_bytes(pool) - reserve_bytes(pool)


def _block_bytes_per_gpu(pool: Pool) -> float:
    # Ranks beyond the number of key-value heads hold copies of them.
    ranks = min(pool.tp, catalogue.model(pool.model).kv_heads)
    return block_bytes(pool) / (ranks * pool.pp)


def _split(path: str, pool: Pool) -> Iterator[Problem]:
    model = catalogue.model(pool.model)
    if model.heads % pool.tp:
        message = f"{pool.tp} does not divide the {model.heads} attention heads of {model.name}"
        yield Problem(f"{path}.tp", message)
    if model.layers % pool.pp:
        message = f"{pool.pp} does not divide the {model.layers} layers of {model.name}"
        yield Problem(f"{path}.pp", message)


def _fit(path: str, pool: Pool) -> Iterator[Problem]:
    if pool.kv_blocks is not None:
        return
    short = _block_bytes_per_gpu(pool) - _room(pool)
    if short > 0:
        gpu, model = catalogue.gpu(pool.gpu), catalogue.model(pool.model)
        yield Problem(
            f"{path}.gpu",
            f"{model.name} does not fit: of {gpu.memory * pool.memory_utilization:.1f} GiB of each "
            f"{gpu.name}, weights take {weight_bytes(pool) / GIB:.1f} and activations "
            f"{reserve_bytes(pool) / GIB:.1f} GiB, {short / GIB:.1f} GiB too much for one block of "
            "keys and values; raise tp or pp, or take a larger GPU",
        )


def _context(path: str, pool: Pool) -> Iterator[Problem]:
    # Rotary angles exist for every position, trained or not; rows of a table do not.
    model = catalogue.model(pool.model)
    if model.learned_positions and (pool.max_context or 0) > model.positions:
        message = (
            f"{model.name} has learned {model.positions} positions and runs at no others, such as "
            f"{pool.max_context}"
        )
        yield Problem(f"{path}.max_context", message)
