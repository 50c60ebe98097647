"""What the sweep modules of this tree share."""


def edges(first, last, step=32):
    """Yield the edges from first to last."""
    yield from range(first, last + 1, step)
