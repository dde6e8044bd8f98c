"""Published systems, one module each, which ends with its ``PAPER``."""
