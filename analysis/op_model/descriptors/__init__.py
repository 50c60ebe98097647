"""What an operation does to one input: the question that an op model answers."""
