"""From sweeps to weights of parameter files, and to models that know how far off they are."""
