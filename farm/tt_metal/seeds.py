"""Random state that sweep modules draw their inputs from."""

from __future__ import annotations

import random
import sys

import numpy as np

SEED = 0
_LARGEST_NUMPY_SEED = 2**32


def reseed(seed: int = SEED) -> None:
    """Seed ``random``, NumPy and, where the process has imported it, torch.

    Sweep modules draw their seeds from ``random`` in ``run``; after this call they draw the same.

    Parameters
    ----------
    seed : int
        Any whole number from 0.
    """
    random.seed(seed)
    # The state that modules draw from is the global one.
    np.random.seed(seed % _LARGEST_NUMPY_SEED)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(seed)
