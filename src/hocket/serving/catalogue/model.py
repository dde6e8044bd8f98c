"""What is known of a language model: the shapes of its layers."""

from __future__ import annotations

import msgspec


class Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A decoder-only transformer, in the words of its configuration file.

    - `layers`, `hidden`, `heads`, `kv_heads`, `head_dim`, `vocab`: as named there
    - `intermediate`: width of the feed-forward part, of one expert where there are several;
      `gated`: whether it has a third matrix (SwiGLU)
    - `positions`: most tokens of prompt and answer together that it was trained for
    - `tied`: whether the output head is the embedding
    - `dtype_bytes`: bytes per weight and per cached value
    - `bias`: which linear layers have one: ``none``, ``qkv``, or ``all``
    - `norm_weights`: vectors of one normalisation: 1 is RMSNorm, 2 LayerNorm with bias
    - `qk_norm`: whether queries and keys are normalised per head
    - `learned_positions`: rows of a table of learned positions
    - `experts`: feed-forward experts per layer, 0 for a dense model; `active`: how many a token
      visits; `shared`: width of the expert that every token visits
    - `source`: the repository on Hugging Face
    """

    name: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocab: int
    positions: int
    gated: bool = True
    tied: bool = False
    dtype_bytes: int = 2
    bias: str = "none"
    norm_weights: int = 1
    qk_norm: bool = False
    learned_positions: int = 0
    experts: int = 0
    active: int = 0
    shared: int = 0
    source: str

    @property
    def attention_weights(self) -> int:
        """Parameters of the projections of one layer's attention."""
        query = self.heads * self.head_dim
        keys = 2 * self.kv_heads * self.head_dim
        weights = self.hidden * (2 * query + keys)
        if self.bias != "none":
            weights += query + keys
        if self.bias == "all":
            weights += self.hidden
        return weights

    @property
    def expert_weights(self) -> int:
        """Parameters of one feed-forward expert, or of the dense feed-forward part."""
        return self._feed_forward(self.intermediate)

    @property
    def layer_weights(self) -> int:
        """Parameters of one layer."""
        norms = 2 * self.norm_weights * self.hidden + self.qk_norm * 2 * self.head_dim
        if not self.experts:
            return self.attention_weights + self.expert_weights + norms
        router = self.hidden * self.experts
        experts = self.experts * self.expert_weights + self._feed_forward(self.shared)
        return self.attention_weights + router + experts + norms

    @property
    def parameters(self) -> int:
        """Parameters of the whole model."""
        tables = self.vocab * self.hidden * (1 if self.tied else 2)
        tables += self.learned_positions * self.hidden
        return tables + self.layers * self.layer_weights + self.norm_weights * self.hidden

    @property
    def kv_bytes(self) -> int:
        """Bytes of the keys and values of one token, all layers together."""
        return 2 * self.layers * self.kv_heads * self.head_dim * self.dtype_bytes

    def _feed_forward(self, width: int) -> int:
        matrices = 3 if self.gated else 2
        bias = width + self.hidden if self.bias == "all" else 0
        return matrices * self.hidden * width + bias
