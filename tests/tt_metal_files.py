"""Vector and result files as tt-metal's sweep framework writes them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

MODULE = "data_movement.reshard.reshard"
SUITE = "1x1-1x2-DataType.BFLOAT16"
KERNEL = "DEVICE KERNEL DURATION [ns]"
_STAMP = {"timestamp": "2026-11-21_02-18-14", "tag": None}


def branch_vector(height: int, strategy: str = "BLOCK") -> dict[str, Any]:
    """A vector of the reshard-modelling branch, hashed as it does it."""
    vector: dict[str, Any] = {
        "input_shard_strategy": f"ShardStrategy.{strategy}",
        "output_shard_strategy": "ShardStrategy.BLOCK",
        "input_shard_orientation": "ShardOrientation.ROW_MAJOR",
        "output_shard_orientation": "ShardOrientation.ROW_MAJOR",
        "dtype": "DataType.BFLOAT16",
        "input_core_grid": "ttnn.CoreGrid(x=1, y=1)",
        "output_core_grid": "ttnn.CoreGrid(x=1, y=2)",
        "shape": f"[1, 1, {height}, 32]",
        "suite_name": SUITE,
        "validity": "VectorValidity.VALID",
        "invalid_reason": "",
        "status": "VectorStatus.CURRENT",
        "sweep_name": MODULE,
    }
    key = hashlib.sha224(str(vector).encode()).hexdigest()
    return {**vector, "timestamp": _STAMP["timestamp"], "input_hash": key, "tag": None}


def branch_vectors(n: int) -> list[dict[str, Any]]:
    """Vectors of two groups in turn, of growing size."""
    return [branch_vector(64 * (1 + i // 2), ("BLOCK", "WIDTH")[i % 2]) for i in range(n)]


def main_vector(suite: str, validity: str = "VALID", **params: Any) -> dict[str, Any]:
    """A vector of tt-metal's main line, hashed as it does it."""
    vector = {
        **params,
        "suite_name": suite,
        "validity": validity,
        "invalid_reason": "" if validity == "VALID" else "too large",
        "status": "VectorStatus.CURRENT",
        "sweep_name": "op.small",
    }
    text = json.dumps(vector, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    key = hashlib.sha224(text.encode()).hexdigest()
    return {**vector, **_STAMP, "input_hash": key}


def result(vector: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """A result of the reshard-modelling branch; entries that are set to None are left out."""
    mean = 500.0 + int(vector["input_hash"][:4], 16) / 7
    record = {
        "sweep_name": vector["sweep_name"],
        "suite_name": vector["suite_name"],
        "vector_id": vector["input_hash"],
        "input_hash": vector["input_hash"],
        "status": "TestStatus.PASS",
        "message": "",
        "device_perf": {
            KERNEL: mean,
            f"{KERNEL}_std": mean / 100,
            "DEVICE BRISC KERNEL DURATION [ns]": mean - 9,
            "runs": 10,
        },
        "e2e_perf": "None",
        "git_hash": "ba4e859",
    } | changes
    return {name: value for name, value in record.items() if value is not None}


def write_vectors(path: Path, vectors: Sequence[Mapping[str, Any]], indent: int | None = 2) -> Path:
    """Write a vector file."""
    suites: dict[str, dict[str, Any]] = {}
    for vector in vectors:
        suites.setdefault(vector["suite_name"], {})[vector["input_hash"]] = vector
    return write_json(path, suites, indent)


def write_json(path: Path, content: Any, indent: int | None = 2) -> Path:
    """Write a JSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=indent))
    return path
