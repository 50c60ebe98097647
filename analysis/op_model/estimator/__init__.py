"""From descriptors to cycles with one parameter file: formulas, choice of a set, answers."""
