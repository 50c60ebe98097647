"""Unmodified sweep modules of tt-metal as sweeps of this farm."""
