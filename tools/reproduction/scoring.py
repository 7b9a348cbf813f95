"""Predictions of all seeds to scores, to differences between rows, to directions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import vidmetrics as vm
from evaluate_default import evaluated
from reproduction.benchmarks import metric_names
from reproduction.codecs import ceiling, largest_error
from reproduction.experiment import Answers
from reproduction.tables import Table
from vidmetrics.resampling import Statistics, confidence, grouped

RICHNESS_METRICS = ("mean_length", "type_token_ratio")
FIFTHS = 5
LEVEL = 0.05  # of the paired test that two rows are equally good

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Scored:
    """The scores of a row in one benchmark.

    Attributes:
        statistics: a unit is a sequence or film window, with all its questions in all seeds: they
            share pictures, so drawn one by one they would give intervals that are too narrow.
        num_questions: of one seed.
        by_seed: of each seed, the scores by name.
    """

    statistics: Statistics
    num_questions: int
    by_seed: tuple[Mapping[str, float], ...]


def scored_of(answers: Sequence[Answers]) -> dict[str, Scored]:
    """One `Scored` for each benchmark, over all seeds."""
    pooled: dict[str, tuple[dict[str, Row], dict[str, Row], dict[str, str]]] = {}
    by_seed: dict[str, list[Mapping[str, float]]] = {}
    for seed, one in enumerate(answers):
        answered = {row["id"]: row for row in one.predictions}
        of_seed: dict[str, tuple[dict[str, Row], dict[str, Row]]] = {}
        for row in one.references:
            name, benchmark = f"{seed}/{row['id']}", row["benchmark"]
            references, predictions, group_of = pooled.setdefault(benchmark, ({}, {}, {}))
            own_references, own_predictions = of_seed.setdefault(benchmark, ({}, {}))
            references[name] = own_references[name] = row
            group_of[name] = row["example"]
            if row["id"] in answered:
                predictions[name] = own_predictions[name] = answered[row["id"]]
        for benchmark, rows in of_seed.items():
            by_seed.setdefault(benchmark, []).append(dict(evaluated(*rows).scores))
    return {
        benchmark: Scored(
            grouped(evaluated(references, predictions).statistics, group_of),
            len(references) // len(answers),
            tuple(by_seed[benchmark]),
        )
        for benchmark, (references, predictions, group_of) in pooled.items()
    }


def scored_table(table: Table, answers: Mapping[str, Sequence[Answers]]) -> list[dict[str, Any]]:
    """The rows of results: scores with intervals, and how each compares with another row.

    Args:
        table: what was asked for; says which row that is.
        answers: of each row, by label, one for each seed.
    """
    results = {label: scored_of(of_row) for label, of_row in answers.items()}
    rows: list[dict[str, Any]] = []
    for number, row in enumerate(table.rows):
        other = table.rows[max(number - 1, 0) if table.stepwise else 0]
        scores: dict[str, Any] = {}
        for benchmark, result in results[row.label].items():
            before = results[other.label][benchmark].statistics
            compared = {} if row is other else vm.compare(before, result.statistics)
            for column, name in metric_names(benchmark).items():
                scores[column] = _score(result, name)
                if name in compared:
                    scores[column]["difference"] = _difference(compared[name])
        if table.richness:
            scores |= _richness(answers[row.label])
        of_row = answers[row.label]
        rows.append(
            {
                "label": row.label,
                "codec": row.codec,
                "compared_with": "" if row is other else other.label,
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
        for benchmark, result in scored_of([chance]).items()
        for column, name in metric_names(benchmark).items()
    }


def _score(scored: Scored, name: str) -> dict[str, Any]:
    interval = confidence(scored.statistics, vm.Resampling())[name]
    return {
        "value": float(scored.statistics.metrics[name].score),
        "low": float(interval.low),
        "high": float(interval.high),
        "by_seed": [float(scores[name]) for scores in scored.by_seed],
        "questions": scored.num_questions,
        "sequences": len(scored.statistics.ids),
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
        name: {"value": getattr(richness, name), "questions": richness.num_captions}
        for name in RICHNESS_METRICS
    }


def _add_directions(rows: Sequence[Mapping[str, Any]]) -> None:
    """To each score with a figure of the paper: does it move as the paper's does?

    Nothing is said where the paper does not move, or where the row before answers nothing.
    """
    by_label = {row["label"]: row for row in rows}
    for row in rows:
        other = by_label.get(row["compared_with"])
        if other is None:
            continue
        for column, published in row["paper"].items():
            entry, before = row["scores"].get(column), other["scores"].get(column)
            moved = published - other["paper"].get(column, published)
            if entry is None or before is None or not before["value"] or not moved:
                continue
            ours = entry.get("difference")  # not of length and variety of all captions at once
            if ours is not None and (ours["low"] <= 0 <= ours["high"] or ours["p_value"] > LEVEL):
                entry["direction"] = "within noise"
                continue
            change = entry["value"] - before["value"]
            entry["direction"] = "as the paper" if change * moved > 0 else "not as the paper"
