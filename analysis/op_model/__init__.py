"""Op parameter models: from the descriptor of an operation to an estimate of its cycles."""
