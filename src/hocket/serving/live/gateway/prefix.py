"""Which backend has seen the beginning of a prompt before: digests of chunks, and a memory of them.

Engines share key-value blocks among requests that begin alike. What they hold they do not publish,
but whoever dispatches knows what it has sent to each. A prompt is cut into chunks, and the digest
of each chunk includes the digest before it, so that equal digests mean equal beginnings.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from hashlib import blake2b

BYTES = 256
"""Bytes of text per chunk."""
IDS = 64
"""Token ids per chunk: about as many tokens as `BYTES` of English text are."""


def digests(prompt: str | Sequence[int]) -> tuple[int, ...]:
    """Chained digests of a prompt's whole chunks, 64 bits each; a rest that fills none is left out.

    Text is cut by bytes of UTF-8, token ids by number; the two never have a digest in common.
    """
    if isinstance(prompt, str):
        return tuple(_chained(prompt.encode("utf-8", "surrogatepass"), BYTES, b"text"))
    try:
        packed = array("q", prompt).tobytes()
    except (OverflowError, TypeError):  # ids beyond 64 bits are no tokens, but may be asked for
        return tuple(_chained(" ".join(map(str, prompt)).encode(), BYTES, b"other"))
    return tuple(_chained(packed, IDS * 8, b"ids"))


def _chained(data: bytes, step: int, kind: bytes) -> Iterator[int]:
    before = b""
    for start in range(0, len(data) - step + 1, step):
        found = blake2b(before, digest_size=8, person=kind)
        found.update(data[start : start + step])
        before = found.digest()
        yield int.from_bytes(before, "little")


class Memory:
    """The chunks that one backend was sent last, at most `most` of them.

    Chunks that were not met for longest are forgotten first, and of one prompt its end before its
    beginning, as engines do with their blocks. So whenever a chunk is known, all before it are.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._known: OrderedDict[int, None] = OrderedDict()

    def add(self, prefix: Sequence[int]) -> None:
        """A prompt with these digests was sent."""
        known = self._known
        for digest in reversed(prefix[: self.most]):
            known[digest] = None
            known.move_to_end(digest)
        while len(known) > self.most:
            known.popitem(last=False)

    def match(self, prefix: Sequence[int]) -> int:
        """How many chunks from the beginning of a prompt are known."""
        low, high = 0, len(prefix)
        while low < high:  # known ones come first: see the class
            middle = (low + high) // 2
            if prefix[middle] in self._known:
                low = middle + 1
            else:
                high = middle
        return low

    def resize(self, most: int) -> None:
        """Hold at most so many chunks from now on."""
        self.most = most
        while len(self._known) > most:
            self._known.popitem(last=False)

    def clear(self) -> None:
        """The backend has lost what it held."""
        self._known.clear()

    def __len__(self) -> int:
        return len(self._known)
