"""Learn from a sweep: streaming per-group fits, models, predictions, reports."""
