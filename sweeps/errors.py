"""Errors of a sweep's declaration."""


class SpecError(ValueError):
    """A sweep, an axis or a limit is declared wrongly; the message says what and where."""
