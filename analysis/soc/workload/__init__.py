"""A list of operations on a chip: time, energy, what binds, where the chip should change."""
