"""How many tokens a byte of prompt is worth, learned from what engines report."""

from __future__ import annotations

from hocket.serving.live.gateway.parse import BYTES_PER_TOKEN

_WEIGHT = 0.05
_LEAST, _MOST = 1 / 64, 1.0


class Estimator:
    """Tokens per byte, for each model an exponentially weighted mean over its answers."""

    def __init__(self) -> None:
        self._ratios: dict[str, float] = {}

    def ratio(self, model: str) -> float:
        """Tokens per byte of a model's prompts."""
        return self._ratios.get(model, 1 / BYTES_PER_TOKEN)

    def learn(self, model: str, size: int, tokens: int) -> None:
        """An engine has counted `tokens` in a prompt of `size` bytes of text.

        A model has at most one token per byte, and what the template of a chat adds to short
        prompts must not make it look like more.
        """
        if size <= 0 or tokens <= 0:
            return
        seen = min(_MOST, max(_LEAST, tokens / size))
        self._ratios[model] = self.ratio(model) + _WEIGHT * (seen - self.ratio(model))
