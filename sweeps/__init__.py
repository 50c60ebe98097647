"""What to run: parameter spaces, validity rules with reasons, derived features.

Pure: no I/O and no Ray.  Sweeps shipped with the project are listed in `BUILTIN`.
"""

BUILTIN: dict[str, str] = {
    "reshard": "sweeps.reshard",
    "matmul": "sweeps.matmul",
    "eltwise": "sweeps.eltwise",
    "memcpy": "sweeps.memcpy",
    "soc-design": "sweeps.soc_design",
    "op-model": "sweeps.op_model.sweep",
}
"""Sweep name -> module that defines it as ``SWEEP``."""
