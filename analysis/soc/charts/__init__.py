"""Pictures of the SoC models, for slides."""
