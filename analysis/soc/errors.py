"""What can be wrong with a chip that somebody thought up."""

from __future__ import annotations

from farm.errors import UsageError


class ConfigError(UsageError, ValueError):
    """A value of a chip's description is impossible, or given in the wrong unit."""


class ThermalRunawayError(UsageError):
    """Leakage heats the chip faster than its cooling carries the heat away: no temperature holds.

    Also where the junction would be hotter than the chip may be at all, by far.
    """
