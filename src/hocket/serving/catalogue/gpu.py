"""What is known of a GPU."""

from __future__ import annotations

import msgspec

GIB = 2**30


class Gpu(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A GPU as its datasheet describes it.

    - `memory`: GiB that programs see (CUDA's total memory, below the nominal size)
    - `bandwidth`: of that memory, in GB/s (10^9 bytes)
    - `tflops`: dense matrix products in bf16, 10^12 floating-point operations per second
    - `link`: GB/s to other GPUs of the node, both directions together
    - `source`: where the values are from
    """

    name: str
    memory: float
    bandwidth: float
    tflops: float
    link: float
    source: str

    @property
    def bytes(self) -> int:
        """Bytes of memory."""
        return int(self.memory * GIB)
