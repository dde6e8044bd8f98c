"""Schedulers of clusters; every module ends with its ``POLICIES``."""
