"""How many tokens an iteration may have: Sarathi-Serve's choice of the token budget.

The larger the budget, the more throughput and the longer the iterations, which every decode in the
batch waits for. Section 4.3 of the paper takes the largest budget whose iteration, filled up with a
prompt chunk beside a typical batch of decodes, still meets the target for the time between tokens,
in multiples of the tile of the matrix multiplications (257 tokens cost a third more than 256).
"""

from __future__ import annotations

from hocket.core.errors import UserError
from hocket.serving.cost.protocol import Cost

TILE = 128
DECODES = 32
"""Requests of the batch by which section 5 of the paper sets its targets."""
CONTEXT = 4096
"""Tokens in memory of each of them."""


def token_budget(
    cost: Cost,
    gap: float,
    *,
    decodes: int = DECODES,
    context: int = CONTEXT,
    before: int = 0,
    stages: int = 1,
    tile: int = TILE,
    most: int = 8192,
) -> int:
    """The largest multiple of `tile` up to `most` whose mixed iteration lasts at most `gap` s.

    It holds `decodes` requests of `context` tokens each, and a chunk of all other tokens, of whose
    prompt `before` tokens are computed. With pipeline parallelism a token passes `stages`. If no
    budget meets the target it is the smallest one in which prompts progress: decodes are never left
    out, so a smaller one would not help. Raises UserError for a target of 0 or a `tile` above
    `most`.
    """
    if gap <= 0:
        raise UserError(f"the target for the time between tokens is {gap} s; it must be above 0")
    least = (decodes // tile + 1) * tile
    if least > most:
        raise UserError(f"a budget above {decodes} decodes has {least} tokens, more than {most}")
    fitting = [
        tokens
        for tokens in range(least, most + 1, tile)
        if stages * mixed(cost, tokens, decodes=decodes, context=context, before=before) <= gap
    ]
    return fitting[-1] if fitting else least


def mixed(cost: Cost, tokens: int, *, decodes: int, context: int, before: int = 0) -> float:
    """Seconds of an iteration of `tokens`, of which `decodes` are decodes and the rest a chunk."""
    return cost.iteration([(tokens - decodes, before)], decodes, decodes * context)
