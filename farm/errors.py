"""Every error of the farm.

Exceptions are the farm's faults; what a vector caused is the `farm.outcome.Status` of its outcome.
Messages say what went wrong, where, and what to do.  All errors pickle: they take one argument.
"""

from __future__ import annotations


class FarmError(Exception):
    """Base of all errors of the farm; `exit_code` is what the command line ends with."""

    exit_code = 2


class UsageError(FarmError):
    """What the user asked for cannot be done as asked."""


class PluginError(UsageError):
    """A device kind, sweep or analysis named by the user is not installed or does not load."""


class FormatError(UsageError):
    """A file is not of the format that it was read as, such as a device-profiler log."""


class ClusterError(UsageError):
    """A cluster cannot be joined as it is, or one of its nodes cannot be used."""


class DirectoryBusyError(UsageError):
    """Another run holds the sweep directory."""


class AccessError(UsageError):
    """A cluster turns this user away, is not there, or lets anybody in."""


class ExposedError(UsageError):
    """Others can reach what was meant for this machine alone."""


class NoRunError(UsageError):
    """No run is at work in the sweep directory that could be asked for something."""


class NoAnswerError(FarmError):
    """A run was asked for something and has not answered yet; the request stands."""

    exit_code = 75


class StoreError(FarmError):
    """The sweep directory cannot be read or written."""


class StoreAccessError(StoreError):
    """No permission, no such place, disk full, or an I/O error: nothing was destroyed."""


class DifferentSweepError(StoreError):
    """The directory holds another sweep, or results of another kind of device."""


class ChangedSweepError(DifferentSweepError):
    """The code of a sweep is not the code that its vectors were generated from: no card's fault."""


class DamagedStoreError(StoreError):
    """A file of the sweep directory is not what was written."""

    exit_code = 3


class CardError(FarmError):
    """A card, its executor or its driver misbehaves: an incident, never a vector's outcome."""

    exit_code = 4


class NoCardsError(FarmError):
    """No node of a cluster can run the sweep, or no card came for too long."""

    exit_code = 4


class RunStoppedError(FarmError):
    """A run ended before every vector was accounted for; running it again goes on."""

    exit_code = 4


class OpError(Exception):
    """Base of what `Device.execute` raises when the vector itself cannot be measured."""


class OpFailedError(OpError):
    """The operation failed for this vector: status OP_ERROR."""


class OutOfMemoryError(OpError):
    """The vector needs more memory than the card has: status OUT_OF_MEMORY."""


class UnsupportedVectorError(OpError):
    """The device cannot run this vector at all: status UNSUPPORTED."""


class InvalidVectorError(OpError):
    """The operation rejects the vector's parameters: status INVALID."""
