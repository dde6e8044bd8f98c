"""Packing pods: the published model, a stronger search, and plans that can be carried out."""
