"""Runs the paper's tables on small data, or lists what the real ones need (`nox -s reproduce`).

A table is a number of the paper (1 to 7), or one of those that go beyond it, `codecs`, `digits`,
`lengths`; `paper` is all of the first kind, `all` is everything. Runs are kept below
runs/reproduce/SIZE and shared by tables; the same command goes on where it was stopped. Of each
table it writes SIZE/TABLE.json and SIZE/TABLE.html.

Sizes:
    tiny    the embedded default on two CPU cores
    small   the embedded default on one GPU
    paper   nothing is trained: steps, memory and data of each row's recipe, with --data-root also
            what of the data is there
    smoke   a random model on drawn shapes, seconds; its figures mean nothing
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as Shown

import timetokens as tt
from exit_status import exit_status
from reproduction.codecs import CODES_BY_DIGITS
from reproduction.experiment import Answers, answers_of, chance_of, made_by, runs_of
from reproduction.markdown import update_docs
from reproduction.page import (
    PARTS,
    SIGNS,
    columns_of,
    heading,
    name_of,
    rendered,
    rows_with_chance,
    shown,
)
from reproduction.scoring import scored_table, scores_of_chance
from reproduction.side_by_side import run_side_by_side
from reproduction.sizes import SIZES, Size
from reproduction.tables import TABLES, Table
from vidllm import run_folder
from vidllm.cli import quiet_libraries
from vidllm.paper_recipes import PAPER_RECIPES, TABLE_ROWS
from vidllm.terminal import messages

ROOT = Path(__file__).resolve().parents[1]
PAPER = "paper"
SETS = {PAPER: [name for name in TABLES if name.isdigit()], "all": list(TABLES)}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns the exit status."""
    quiet_libraries()
    tt.CODECS.update(CODES_BY_DIGITS)
    options = _options(argv)
    console = messages()
    names = SETS.get(options.table, [options.table])

    def work() -> None:
        if options.size == PAPER:
            for name in names:
                list_recipes(name, options.data_root or "", console)
            return
        size = SIZES[options.size]
        if options.seeds:
            size = replace(size, seeds=tuple(range(options.seeds)))
        if options.jobs:
            size = replace(size, num_jobs=options.jobs)
        out = options.out or ROOT / "runs" / "reproduce" / size.name
        for name in names:
            outcome = reproduce(TABLES[name], size, out, console)
            if options.update_docs:
                update_docs(ROOT / "docs", outcome)

    return exit_status("reproduce", work)


def reproduce(table: Table, size: Size, out: Path, console: Console) -> dict[str, Any]:
    """Trains and asks every row with every seed; writes and prints the table."""
    began = time.monotonic()
    runs = runs_of(size, table, out)
    if size.num_jobs > 1:
        run_side_by_side(size, table, runs, out, console)
    chance = chance_of(size, table, runs[table.rows[0].label][0].config, out, console)
    answers: dict[str, list[Answers]] = {
        label: [answers_of(size, table, run, out, console) for run in of_row]
        for label, of_row in runs.items()
    }
    outcome = {
        "table": table.name,
        "title": table.title,
        "note": table.note,
        "size": size.name,
        "seeds": list(size.seeds),
        "date": time.strftime("%Y-%m-%d"),
        "rows": scored_table(table, answers),
        "chance": scores_of_chance(chance),
        "made_by": made_by(one for of_row in answers.values() for one in of_row),
    }
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(outcome, indent=1) + "\n"
    run_folder.write_atomically(text, out / f"{table.name}.json")
    page = rendered(table, outcome, answers)
    run_folder.write_atomically(page, out / f"{table.name}.html")
    for view in printed(table, outcome):
        console.print(view)
    minutes = (time.monotonic() - began) / 60
    console.print(f"{out / table.name}.html, {minutes:.1f} minutes")
    return outcome


def printed(table: Table, outcome: Mapping[str, Any]) -> Iterator[Shown]:
    """Tables for the terminal; the paper's figures stand in brackets."""
    rows = rows_with_chance(outcome)
    for kind, columns in columns_of(rows).items():
        title = f"{table.title}\n{heading(outcome)}" if not kind else PARTS[kind]
        view = Shown(title=title, box=None, pad_edge=False)
        view.add_column("")
        for column in columns:
            view.add_column(name_of(column), justify="right")
        for row in rows:
            view.add_row(row["label"], *(_cell(column, row) for column in columns))
        yield view


def _cell(column: str, row: Mapping[str, Any]) -> str:
    entry = row["scores"].get(column, {})
    published = row["paper"].get(column)
    sign = SIGNS.get(entry.get("direction", ""), "")
    text = shown(column, entry["value"]) if entry else "-"
    return text if published is None else f"{text} ({published:g}){sign}"


def list_recipes(name: str, data_root: str, console: Console) -> None:
    """What each row of a table of the paper trains, for how long, on what data.

    Of a table that the paper does not have it says that, and no more.
    """
    from vidllm.dry_run import describe, readable

    rows = TABLE_ROWS.get(int(name)) if name.isdigit() else None
    if rows is None:
        console.print(f"{name}: no table of the paper, so it has no size {PAPER}")
        return
    for label, recipe in rows.items():
        console.print(f"Table {name}: {label}", style="bold")
        if not recipe:
            console.print("nothing is trained")
            continue
        config = PAPER_RECIPES[recipe]()
        config = replace(config, data=replace(config.data, root=data_root))
        console.print(readable(describe(config)))


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    """The arguments; what cannot be, or would do nothing, is refused."""
    parser = _parser()
    options = parser.parse_args(argv)
    for name in ("seeds", "jobs"):
        number = getattr(options, name)
        if number is not None and number < 1:
            parser.error(f"--{name} is {number}: give 1 or more")
    if options.size != PAPER and options.data_root is not None:
        parser.error(f"--data-root goes with --size {PAPER}")
    for name in ("seeds", "jobs", "out", "update_docs"):
        if options.size == PAPER and getattr(options, name):
            parser.error(f"--{name.replace('_', '-')} does nothing: --size {PAPER} trains nothing")
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="reproduce",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("table", choices=[*TABLES, *SETS], help="which table")
    parser.add_argument("--size", choices=[*SIZES, PAPER], default="tiny", help="default: tiny")
    parser.add_argument("--seeds", type=int, help="runs of each row, instead of the size's")
    parser.add_argument(
        "--jobs", type=int, help="runs at a time, each on its share of the cores; tiny: 2, else 1"
    )
    parser.add_argument("--out", type=Path, help="where runs and results go")
    parser.add_argument(
        "--update-docs", action="store_true", help="write the results into docs/reproduction.md"
    )
    parser.add_argument("--data-root", help="with --size paper: a folder of manifests")
    return parser


if __name__ == "__main__":
    sys.exit(main())
