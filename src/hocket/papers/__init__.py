"""Published systems, one file each; every file ends with its ``PAPER``."""
