"""Steering a run from outside, and what the run does about it."""
