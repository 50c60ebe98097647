"""Logs of the tt-metal device profiler: read whole, read while they grow, written, joined.

`log_format` specifies the format, `log_reader` reads a file, `log_tail` follows one that grows,
`launches` says what comes out, `launch_join` gives launches to vectors, `log_writer` writes logs.
"""
