"""A digest of a Python file's code, which tells when a sweep's definition has changed."""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path


def source_digest(path: Path) -> str:
    """Digest of the code of a file, without comments and docstrings."""
    tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(
            node
        ):
            node.body = node.body[1:] or [ast.Pass()]
    return "code " + hashlib.sha256(ast.unparse(tree).encode()).hexdigest()[:16]
