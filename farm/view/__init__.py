"""What a run looks like: on a terminal, as lines, and in its sweep directory."""
