"""Data of other sweep frameworks: in and out, exactly."""
