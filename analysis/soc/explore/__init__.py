"""Many chips: design spaces, constraints, Pareto fronts, search, sensitivity."""
