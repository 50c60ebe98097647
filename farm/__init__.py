"""Run sweeps: store, devices, executor process, recovery, the Ray edge, the command line."""

__version__ = "0.1.0"
