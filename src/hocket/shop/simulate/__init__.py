"""Worlds of machine scheduling on the kernel, one file per problem."""
