"""Fail where a file or a function has grown too long to be read in one go.

Limits of the house (CONTRIBUTING.md): 600 lines a file, 60 lines a function. A function's docstring
does not count; blank lines and comments do.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAX_FILE_LINES = 600
MAX_FUNCTION_LINES = 60
SUFFIXES = {".py", ".cpp", ".hpp", ".cu"}
FOLDERS = ("packages", "native", "tools", "tests", "examples")
SKIPPED_FOLDERS = {"build", "dist", "node_modules", "__pycache__"}


def source_files() -> Iterator[Path]:
    """Every file that somebody has to read."""
    yield from ROOT.glob("*.py")
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            parts = path.relative_to(ROOT).parts
            hidden = any(part.startswith(".") or part in SKIPPED_FOLDERS for part in parts)
            if path.suffix in SUFFIXES and not hidden and path.is_file():
                yield path


def num_code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end, without the docstring."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function, clean=False) is not None:
        docstring = function.body[0]
        lines -= (docstring.end_lineno or docstring.lineno) - docstring.lineno + 1
    return lines


def complaints(path: Path) -> Iterator[str]:
    """What is too long in one file."""
    text = path.read_text(encoding="utf-8")
    name = path.relative_to(ROOT)
    num_lines = len(text.splitlines())
    if num_lines > MAX_FILE_LINES:
        yield f"{name}: {num_lines} lines, the limit is {MAX_FILE_LINES}: split it by topic"
    if path.suffix != ".py":
        return
    for node in ast.walk(ast.parse(text, filename=str(path))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = num_code_lines(node)
            if lines > MAX_FUNCTION_LINES:
                yield (
                    f"{name}:{node.lineno}: {node.name} has {lines} lines, "
                    f"the limit is {MAX_FUNCTION_LINES}"
                )


def main() -> int:
    """Print every complaint; 1 when there is any."""
    found = [complaint for path in source_files() for complaint in complaints(path)]
    for complaint in found:
        print(complaint)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
