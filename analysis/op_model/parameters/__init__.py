"""Parameter files: weights by operation and attribute set, in versions that are never edited."""
