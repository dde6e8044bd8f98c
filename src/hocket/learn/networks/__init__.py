"""Building blocks of networks over ragged batches, in plain PyTorch.

Rows of a table belong to questions, ``lanes`` says to which; no block ever mixes two questions. So
what a network answers does not depend on what else is in the batch.
"""
