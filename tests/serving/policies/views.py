"""A replica as batching policies see it, made by hand."""

from dataclasses import dataclass, field

from hocket.serving.roles.batching import Request


@dataclass
class View:
    """Free memory follows from what the running requests have computed, unless given."""

    running: list[Request]
    blocks: int = 100
    block_size: int = 1
    now: int = 0
    iteration: int = 0
    waiting: list[Request] = field(default_factory=list)
    taken: int | None = None

    @property
    def free(self) -> int:
        if self.taken is not None:
            return self.blocks - self.taken
        return self.blocks - sum(-(-one.computed // self.block_size) for one in self.running)


def decoding(name, prompt, generated, limit=10**9):
    """A request of which `generated` tokens have come; the latest is not in memory yet."""
    return Request(name, 0, prompt, prompt + generated - 1, generated, limit=limit)


def queued(name, prompt, generated=0, limit=10**9):
    return Request(name, 0, prompt, 0, generated, limit=limit, preemptions=int(generated > 0))
