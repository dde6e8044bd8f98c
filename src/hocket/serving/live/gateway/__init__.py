"""A reverse proxy that dispatches OpenAI-compatible requests by the policies of this domain."""
