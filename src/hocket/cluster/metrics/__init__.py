"""The figures of runs, one file per problem, and their pictures."""
