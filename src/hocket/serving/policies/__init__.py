"""Policies of LLM serving, one file per system or family; each ends with its tuple ``POLICIES``."""
