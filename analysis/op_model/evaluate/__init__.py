"""Estimates of whole tables: beside descriptors, against silicon, and of two versions."""
