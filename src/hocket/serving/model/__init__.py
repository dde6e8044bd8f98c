"""Scenario types of LLM serving."""
