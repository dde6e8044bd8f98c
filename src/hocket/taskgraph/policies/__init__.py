"""Policies for task graphs, one file per family; each ends with its tuple ``POLICIES``."""
