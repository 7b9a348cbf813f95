"""The command `compare`: two systems, score by score, with a paired test."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from vidmetrics.dense_cli import dense_jobs, score_dense_job
from vidmetrics.errors import InputError
from vidmetrics.grounding import evaluate_grounding
from vidmetrics.grounding_cli import grounding_jobs, spans_only
from vidmetrics.output_cli import print_signatures, resampling_of, say, text_stream, write_output
from vidmetrics.protocol_options import protocol_from_options
from vidmetrics.readers.documents import load_document
from vidmetrics.resampling import Comparison, compare
from vidmetrics.results_file import (
    StoredResult,
    is_results_file,
    json_document,
    results_from_json,
)
from vidmetrics.score_tables import percent, title
from vidmetrics.tables import printable, render_table

FORMAT = "vidmetrics-comparison"
FORMAT_VERSION = 1

_Compared = tuple[StoredResult, StoredResult, dict[str, Comparison]]


def compare_systems(parsed: argparse.Namespace) -> int:
    """`vidmetrics compare`."""
    if parsed.resamples == 0:
        raise InputError("--resamples must be at least 1 for a comparison")
    if parsed.set and parsed.references is None:
        raise InputError("--set is for scoring with --references; results are compared as they are")
    first = _results(parsed, parsed.first, parsed.first_system)
    second = _results(parsed, parsed.second, parsed.second_system)
    pairs = [(first[name], second[name]) for name in first if name in second]
    if not pairs:
        raise InputError(
            f"no benchmark in common: {', '.join(map(repr, first))} "
            f"against {', '.join(map(repr, second))}"
        )
    compared: list[_Compared] = []
    for a, b in pairs:
        _check_signatures(a, b)
        compared.append((a, b, compare(a.statistics, b.statistics, resampling_of(parsed))))
    _write_json(parsed, compared)
    out = text_stream(parsed)
    for a, b, scores in compared:
        label = f"{a.benchmark}: " if a.benchmark else ""
        names = [_name(parsed.first, a), _name(parsed.second, b)]
        units = len(a.statistics.ids)
        print(printable(f"{label}A = {names[0]}, B = {names[1]}, units: {units}"), file=out)
        print(f"{_table(scores, parsed.level)}\n", file=out)
    print(
        f"p: paired randomization over the units, {parsed.resamples} trials, seed {parsed.seed}; "
        "interval: paired bootstrap",
        file=out,
    )
    for name in [*first, *second]:
        if (name in first) != (name in second):
            say(f"{name}: only {'A' if name in first else 'B'} has this benchmark (left out)")
    print_signatures([a.signature for a, _, _ in compared], out)
    return 0


def _results(parsed: argparse.Namespace, path: str, system: str | None) -> dict[str, StoredResult]:
    """One result a benchmark of one file."""
    document = load_document(path)
    if is_results_file(document.value):
        results = results_from_json(document.value, Path(path))
    elif parsed.references is None:
        raise InputError(
            f"{path} is no result file; write one with `vidmetrics dvc|tvg ... --json {path}`, or "
            "give --references to score it now"
        )
    else:
        results = _scored(parsed, path, [system] if system else [])
    systems = list(dict.fromkeys(result.system for result in results))
    if system is not None and system not in systems:
        raise InputError(f"{path}: no system {system!r}; there are {', '.join(systems)}")
    if system is None and len(systems) > 1:
        raise InputError(
            f"{path} holds several systems ({', '.join(systems)}): say which with --first-system "
            "and --second-system"
        )
    chosen = {result.benchmark: result for result in results if system in (None, result.system)}
    for name in parsed.benchmark:
        if name not in chosen:
            raise InputError(f"{path}: no benchmark {name!r}; there are {', '.join(chosen)}")
    return {name: chosen[name] for name in parsed.benchmark or chosen}


def _scored(parsed: argparse.Namespace, path: str, systems: Sequence[str]) -> list[StoredResult]:
    resampling = resampling_of(parsed)
    stored: list[StoredResult] = []
    if parsed.task == "dvc":
        protocol = protocol_from_options(parsed.protocol, parsed.set)
        jobs = dense_jobs([parsed.references], path, parsed.split, parsed.benchmark, systems)
        for job in jobs:
            dense = score_dense_job(job, protocol, resampling)
            stored.append(
                StoredResult(job.benchmark, job.system, dense.signature, dense.statistics)
            )
        return stored
    for job in grounding_jobs(parsed.references, path, parsed.benchmark, systems):
        grounding = evaluate_grounding(
            {name: spans_only(record.spans) for name, record in job.references[0].items()},
            {name: record.spans for name, record in job.predictions.items()},
        )
        stored.append(
            StoredResult(job.benchmark, job.system, grounding.signature, grounding.statistics)
        )
    return stored


def _check_signatures(a: StoredResult, b: StoredResult) -> None:
    if a.signature == b.signature:
        return
    parts_a, parts_b = a.signature.split("|"), b.signature.split("|")
    odd = [part for part in parts_a + parts_b if (part in parts_a) != (part in parts_b)]
    raise InputError(f"A and B were scored in different ways: {', '.join(odd)}")


def _table(scores: dict[str, Comparison], level: float) -> str:
    return render_table(
        ["score x 100", "A", "B", "B - A", f"{100 * level:g} % interval", "p"],
        [
            [
                title(name),
                percent(one.first),
                percent(one.second),
                f"{100 * one.difference:+.2f}",
                f"[{100 * one.interval.low:+.2f}, {100 * one.interval.high:+.2f}]",
                f"{one.p_value:.4f}",
            ]
            for name, one in scores.items()
        ],
    )


def _name(path: str, result: StoredResult) -> str:
    return f"{result.system} ({path})" if result.system else path


def _write_json(parsed: argparse.Namespace, compared: Sequence[_Compared]) -> None:
    if parsed.json is None:
        return
    content = json_document(
        FORMAT,
        FORMAT_VERSION,
        files={"first": parsed.first, "second": parsed.second},
        confidence_level=parsed.level,
        trials=parsed.resamples,
        seed=parsed.seed,
        comparisons=[
            {
                "benchmark": a.benchmark,
                "first_system": a.system,
                "second_system": b.system,
                "signature": a.signature,
                "units": len(a.statistics.ids),
                "scores": {
                    name: {**one._asdict(), "interval": list(one.interval)}
                    for name, one in scores.items()
                },
            }
            for a, b, scores in compared
        ],
    )
    write_output(parsed.json, content)
