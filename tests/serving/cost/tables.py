"""A small operator table with values that are easy to follow."""

from itertools import product

from hocket.serving.cost import Table

DECODES, CONTEXTS = (1, 4, 16), (16, 256, 4096)
CHUNKS, BEFORES = (16, 128, 1024), (0, 512, 4096)


def small(**changes: object) -> Table:
    """Llama-3.1-8B by made-up rules: decode 1 + n c / 100, a prompt 2 + its pairs / 1000."""
    mixed = product(CHUNKS, BEFORES, DECODES, CONTEXTS)
    fields = {
        "model_name": "llama-3.1-8b",
        "layers": 32,
        "tokens": (1, 64, 2048),
        "layer": (100.0, 110.0, 3000.0),
        "once": (4.0, 5.0, 30.0),
        "samples": (1, 256),
        "sampling": (700.0, 1000.0),
        "decodes": DECODES,
        "contexts": CONTEXTS,
        "decode": tuple(1 + n * c / 100 for n, c in product(DECODES, CONTEXTS)),
        "chunks": CHUNKS,
        "befores": BEFORES,
        "prompt": tuple(2 + (c * b + c * c / 2) / 1000 for c, b in product(CHUNKS, BEFORES)),
        "mixed_decodes": DECODES,
        "mixed_contexts": CONTEXTS,
        "mixed": tuple(5 + n * d / 100 + (c * b + c * c / 2) / 1000 for c, b, n, d in mixed),
    }
    return Table(**(fields | changes))  # type: ignore[arg-type]
