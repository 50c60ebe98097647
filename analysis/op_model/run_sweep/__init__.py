"""From operations to measurements, raw CSV files and a new version of the weights."""
