"""CSV files of op sweeps: every generation of their format is read, one is written."""
