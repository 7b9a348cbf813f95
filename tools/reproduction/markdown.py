"""docs/reproduction.md: every table's results as they are committed, in one page."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reproduction.page import (
    PARTS,
    SIGNS,
    ceiling_table,
    columns_of,
    name_of,
    rows_with_chance,
    shown,
)
from reproduction.tables import TABLES

PAGE_NAME = "reproduction.md"
RESULTS_NAME = "reproduction"
COMMAND = "nox -s reproduce -- TABLE --size {size} --update-docs"


def update_docs(docs_dir: Path, outcome: Mapping[str, Any]) -> None:
    """Keeps a table's results below the docs and writes the page of all that are there.

    Args:
        docs_dir: the page lies in it, results in `reproduction/SIZE/TABLE.json`.
        outcome: what `reproduce` writes as JSON.
    """
    path = docs_dir / RESULTS_NAME / outcome["size"] / f"{outcome['table']}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(outcome, indent=1) + "\n", "utf-8")
    (docs_dir / PAGE_NAME).write_text(page_of(docs_dir / RESULTS_NAME), "utf-8")


def page_of(results_dir: Path) -> str:
    """The page of all results in a folder of sizes."""
    parts = [_HEAD]
    for size_dir in sorted(path for path in results_dir.iterdir() if path.is_dir()):
        outcomes = [
            json.loads((size_dir / f"{name}.json").read_text("utf-8"))
            for name in TABLES
            if (size_dir / f"{name}.json").exists()
        ]
        tables = " ".join(outcome["table"] for outcome in outcomes)
        command = COMMAND.format(size=size_dir.name)
        parts.append(f"# Size {size_dir.name}\n\nWritten by `{command}`, TABLE each of: {tables}.")
        parts.append(_directions(outcomes))
        parts += [_section(outcome) for outcome in outcomes]
    return "\n\n".join(parts) + "\n"


def _directions(outcomes: list[dict[str, Any]]) -> str:
    """How many scores of all tables move as the paper's."""
    lines = []
    for outcome in outcomes:
        found = Counter(
            entry["direction"]
            for row in outcome["rows"]
            for entry in row["scores"].values()
            if "direction" in entry
        )
        if found:
            lines.append([outcome["table"], *(str(found[name]) for name in SIGNS)])
    table = _table(["table", *SIGNS], lines)
    return f"How many scores move from the row they are compared with:\n\n{table}"


def _section(outcome: Mapping[str, Any]) -> str:
    name = outcome["table"]
    heading = f"Table {name}" if name.isdigit() else name.capitalize()
    seeds = ", ".join(map(str, outcome["seeds"]))
    parts = [
        f"## {heading}: {outcome['title']}",
        f"{outcome['note']} Seeds {seeds}, {outcome['date']}, "
        f"{outcome['made_by']['minutes_of_steps']} minutes of steps.",
    ]
    rows = rows_with_chance(outcome)
    for kind, columns in columns_of(rows).items():
        lines = [[row["label"], *(_cell(column, row) for column in columns)] for row in rows]
        parts.append(_table([PARTS[kind], *map(name_of, columns)], lines))
    names, lines = ceiling_table(rows)
    if lines:
        parts.append(_table(["right answers, written and read", *names], lines))
    return "\n\n".join(parts)


def _table(heading: list[str], lines: list[list[str]]) -> str:
    rule = ["---", *["---:"] * (len(heading) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in [heading, rule, *lines])


def _cell(column: str, row: Mapping[str, Any]) -> str:
    entry = row["scores"].get(column, {})
    text = shown(column, entry["value"]) if entry else "-"
    if "low" in entry:
        text += f" ({shown(column, entry['low'])}-{shown(column, entry['high'])})"
    published = row["paper"].get(column)
    sign = SIGNS.get(entry.get("direction", ""), "")
    return text if published is None else f"{text} [{published:g}]{sign}"


_HEAD = """<!-- Written by tools/reproduce.py; edit that instead. -->

The paper's tables on small data, and what the paper does not compare. Scores are times 100 except
CIDEr, words and TTR. In round brackets: the 95 % interval over sequences, all questions and seeds
of a sequence drawn together; it does not hold what other seeds would give. In square brackets: the
paper's own figure (YouCook2 and Charades-STA: another level, only directions can be compared), and
whether ours moves as the paper's does, from the row above in Tables 2, 3 and 5, else from the
first: ✓ yes, ✗ no, ≈ within noise; nothing where the row before answers nothing. Rows at or below
chance say nothing about places. What the benchmarks are:
[benchmark_default.md](benchmark_default.md). What was learned: [experiments.md](experiments.md)."""
