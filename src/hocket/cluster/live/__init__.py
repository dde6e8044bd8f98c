"""Adapters to real clusters, imported only when used."""
