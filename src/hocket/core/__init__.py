"""The contract and the kernel. Knows no domain; imports nothing of hocket above itself."""
