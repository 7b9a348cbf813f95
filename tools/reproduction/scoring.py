"""Predictions of all seeds to scores, to differences from a table's first row, to directions."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import vidmetrics as vm
from evaluate_default import evaluated
from reproduction.benchmarks import metric_names
from reproduction.codecs import ceiling, largest_error
from reproduction.experiment import Answers
from reproduction.tables import Table

RICHNESS_METRICS = ("mean_length", "type_token_ratio")
FIFTHS = 5

Result = vm.GroundingResult | vm.DenseCaptioningResult


def results_of(answers: Sequence[Answers]) -> dict[str, Result]:
    """One result for each benchmark, over the questions of all seeds.

    A question asked of two runs is two units: intervals are of questions and seeds together.
    """
    references: dict[str, dict[str, Mapping[str, Any]]] = {}
    predictions: dict[str, dict[str, Mapping[str, Any]]] = {}
    for number, one in enumerate(answers):
        answered = {row["id"]: row for row in one.predictions}
        for row in one.references:
            name = f"{number}/{row['id']}"
            references.setdefault(row["benchmark"], {})[name] = row
            if row["id"] in answered:
                predictions.setdefault(row["benchmark"], {})[name] = answered[row["id"]]
    return {name: evaluated(rows, predictions.get(name, {})) for name, rows in references.items()}


def scored_table(table: Table, answers: Mapping[str, Sequence[Answers]]) -> list[dict[str, Any]]:
    """The rows of results: scores with intervals, and how each compares with the first row.

    Args:
        table: what was asked for.
        answers: of each row, by label, one for each seed.
    """
    results = {label: results_of(of_row) for label, of_row in answers.items()}
    first = table.rows[0]
    rows = []
    for row in table.rows:
        scores: dict[str, Any] = {}
        for benchmark, result in results[row.label].items():
            other = results[first.label][benchmark]
            compared = {} if row is first else vm.compare(other.statistics, result.statistics)
            for column, name in metric_names(benchmark).items():
                scores[column] = _score(result, name)
                if name in compared:
                    scores[column]["against_first"] = _difference(compared[name])
        if table.richness:
            scores |= _richness(answers[row.label])
        of_row = answers[row.label]
        rows.append(
            {
                "label": row.label,
                "codec": row.codec,
                "scores": scores,
                "paper": dict(row.paper),
                "malformed": sum(one.malformed for one in of_row),
                "position_error": position_error(of_row),
            }
        )
        if table.ceiling:
            asked = of_row[0].references
            rows[-1]["ceiling"] = ceiling(asked, row.codec)
            rows[-1]["rounding"] = largest_error(asked, row.codec)
    _add_directions(rows)
    return rows


def scores_of_chance(chance: Answers) -> dict[str, Any]:
    """The columns of a table for answers of nobody."""
    return {
        column: _score(result, name)
        for benchmark, result in results_of([chance]).items()
        for column, name in metric_names(benchmark).items()
    }


def _score(result: Result, name: str) -> dict[str, Any]:
    interval = result.confidence[name]
    return {
        "value": float(result.scores[name]),
        "low": float(interval.low),
        "high": float(interval.high),
        "count": len(result.statistics.ids),
    }


def position_error(answers: Iterable[Answers]) -> list[float | None]:
    """Mean distance of answered from asked images, in shares of the sequence, by fifths of it."""
    sums, counts = [0.0] * FIFTHS, [0] * FIFTHS
    for one in answers:
        answered = {row["id"]: row["events"] for row in one.predictions}
        for row in one.references:
            events = answered.get(row["id"])
            if row["task"] != "iig" or not events:
                continue
            asked, found = (
                (event[0] + event[1]) / 2 / row["duration_seconds"]
                for event in (row["events"][0], events[0])
            )
            fifth = min(int(asked * FIFTHS), FIFTHS - 1)
            sums[fifth] += abs(found - asked)
            counts[fifth] += 1
    return [
        round(total / count, 4) if count else None
        for total, count in zip(sums, counts, strict=True)
    ]


def _difference(compared: vm.Comparison) -> dict[str, float]:
    return {
        "value": float(compared.difference),
        "low": float(compared.interval.low),
        "high": float(compared.interval.high),
        "p_value": float(compared.p_value),
    }


def _richness(answers: Iterable[Answers]) -> dict[str, Any]:
    captions: dict[str, list[str]] = {}
    for number, one in enumerate(answers):
        for row in one.predictions:
            if row["task"] == "dvc":
                captions[f"{number}/{row['id']}"] = [event[2] for event in row["events"]]
    if not any(captions.values()):
        return {}
    richness = vm.text_richness(captions)
    return {
        name: {"value": getattr(richness, name), "count": richness.num_captions}
        for name in RICHNESS_METRICS
    }


def _add_directions(rows: list[dict[str, Any]]) -> None:
    """To each score with a figure of the paper: does it move from the first row as the paper's?"""
    first = rows[0]
    for row in rows[1:]:
        for column, published in row["paper"].items():
            entry = row["scores"].get(column)
            before = first["scores"].get(column)  # a row that captions nothing has no length
            if entry is None or before is None or column not in first["paper"]:
                continue
            moved = published - first["paper"][column]
            ours = entry.get("against_first")  # not of length and variety of all captions at once
            if ours is not None and ours["low"] <= 0 <= ours["high"]:
                entry["direction"] = "within noise"
                continue
            change = entry["value"] - before["value"]
            entry["direction"] = "as the paper" if change * moved > 0 else "not as the paper"
