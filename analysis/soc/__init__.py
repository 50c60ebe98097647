"""SoC models: what would another chip do?  Roofline, power, scaling, exploration, sensitivity."""
