"""A chip and its numbers: configurations, public chips, and every formula once."""
