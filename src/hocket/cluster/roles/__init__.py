"""What policies see and what they answer, one file per problem."""
