"""Plain text tables: columns as wide as their widest cell, numbers to the right."""

from __future__ import annotations

from collections.abc import Sequence


def render_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, text_columns: int = 1
) -> str:
    """A table as text, without a newline at its end.

    Args:
        header: a title for each column.
        rows: cells; every row as long as the header.
        text_columns: how many leading columns are text, set to the left.
    """
    lines = [list(map(printable, row)) for row in (header, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    rendered = [
        "  ".join(
            cell.ljust(width) if column < text_columns else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    rule = "  ".join("-" * width for width in widths)
    return "\n".join([rendered[0], rule, *rendered[1:]])


def printable(text: str) -> str:
    """The text on one line: control characters and lone surrogates as escapes.

    A name in a file may hold anything; a terminal must not act on it.
    """
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
