"""vLLM's key-value memory, as the rules of batching ask about it."""

from __future__ import annotations

from typing import Any

from vllm.v1.core.single_type_kv_cache_manager import FullAttentionManager


class Hit:
    """What the prefix cache spares a waiting request: `blocks` as vLLM keeps them, and `tokens`."""

    __slots__ = ("blocks", "tokens")

    def __init__(self, blocks: Any, tokens: int) -> None:
        self.blocks, self.tokens = blocks, tokens


class Memory:
    """Blocks of the engine's pool. All answers come from vLLM's own tables at the moment."""

    def __init__(self, scheduler: Any) -> None:
        self._scheduler = scheduler
        self._manager = scheduler.kv_cache_manager
        self._coordinator = self._manager.coordinator
        self._pool = self._manager.block_pool
        self._longest = scheduler.max_model_len
        self._lookahead = scheduler.num_lookahead_tokens
        self._none = Hit(self._manager.empty_kv_cache_blocks.blocks, 0)
        managers = self._coordinator.single_type_managers
        plain = len(managers) == 1 and isinstance(managers[0], FullAttentionManager)
        self._plain = managers[0] if plain else None
        self.groups = self._manager.num_kv_cache_groups
        self.total: int = self._pool.num_gpu_blocks - 1  # one is a placeholder of vLLM's
        self.block_size: int = scheduler.block_size

    @property
    def free(self) -> int:
        """Blocks that could be taken now, those that only the prefix cache holds included."""
        free: int = self._pool.get_num_free_blocks()
        return free

    def hit(self, request: Any) -> Hit:
        """What the prefix cache would spare a waiting request, without counting it as a lookup."""
        if request.num_computed_tokens or not self._manager.prefix_cache_lookup_enabled(request):
            return self._none
        found = self._coordinator.find_longest_cache_hit(
            request.block_hashes, request.num_tokens - 1
        )
        return Hit(found[0], found[1])

    def lack(self, request: Any, tokens: int) -> int:
        """Blocks that a running request needs beyond its own to compute so many tokens more."""
        computed = request.num_computed_tokens
        if self._plain is not None:  # what follows comes to this, at a tenth of the time
            needed = min(computed + tokens + self._lookahead, self._longest)
            held = len(self._plain.req_to_blocks.get(request.request_id, ()))
            return int(max(0, -(-needed // self._plain.block_size) - held))
        # Sliding windows give blocks back before they take some, as vLLM has them do.
        self._coordinator.remove_skipped_blocks(
            request.request_id,
            max(0, computed - request.num_in_flight_tokens),
            num_prompt_tokens=request.num_prompt_tokens,
        )
        return self._to_take(request, computed, tokens, self._lookahead, self._none)

    def asked(self, request: Any, hit: Hit, tokens: int, *, ahead: bool, cap: bool = False) -> int:
        """Blocks that fewer would be free if a waiting request came in with so many tokens in all.

        With `ahead` also for the tokens that speculation needs room for; with `cap` no more at a
        time than a sliding window keeps.
        """
        computed = request.num_computed_tokens + hit.tokens
        lookahead = self._lookahead if ahead else 0
        return self._to_take(request, computed, tokens - computed, lookahead, hit, cap)

    def _to_take(
        self, request: Any, computed: int, more: int, ahead: int, hit: Hit, cap: bool = False
    ) -> int:
        blocks: int = self._coordinator.get_num_blocks_to_allocate(
            request_id=request.request_id,
            num_tokens=min(computed + more + ahead, self._longest),
            new_computed_blocks=hit.blocks,
            num_encoder_tokens=0,
            total_computed_tokens=computed,
            num_local_computed_tokens=computed,
            num_tokens_main_model=computed + more,
            apply_admission_cap=cap,
            prefill_end=max(request.num_prompt_tokens, request.num_tokens - 1),
        )
        return blocks

    def next(self, blocks: int) -> list[Any]:
        """The blocks that vLLM would hand out next, which lose what the prefix cache knows of them.

        They are for requests that are in the iteration already: vLLM itself would have handed them
        out before anybody gives way. To be put `first` when that is done.
        """
        queue = self._pool.free_block_queue
        if not self._pool.enable_caching or not blocks:
            return []
        found = queue.popleft_n(min(blocks, queue.num_free_blocks))
        queue.prepend_n(found)
        for block in found:
            self._pool._maybe_evict_cached_block(block)
        return list(found)

    def first(self, blocks: list[Any]) -> None:
        """Have vLLM hand out these free blocks before others that have been freed since."""
        queue = self._pool.free_block_queue
        for block in blocks:
            queue.remove(block)
        queue.prepend_n(blocks)

    def holds(self, request: Any) -> bool:
        """Whether a request has any blocks."""
        own = request.request_id
        return any(own in m.req_to_blocks for m in self._coordinator.single_type_managers)

    def take(self, request: Any, tokens: int) -> None:
        """Take memory for so many tokens in all for a request that has just come in.

        vLLM tells its workers of a newcomer's blocks after this, so they learn of these too.
        """
        self._coordinator.allocate_new_blocks(request.request_id, tokens, tokens)
