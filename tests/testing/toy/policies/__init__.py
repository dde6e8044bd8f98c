"""The toy's policies."""
