"""What was measured: ops under a roofline, ceilings of a machine, calibration."""
