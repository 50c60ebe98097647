"""Models of one chip: its roofline, power, scaling, and chips side by side."""
