"""Policies of machine scheduling, one file per family; each ends with its tuple ``POLICIES``."""
