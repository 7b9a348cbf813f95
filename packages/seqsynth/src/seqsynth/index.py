"""Writes the manifest of a corpus: what can be used goes in, what cannot is written beside it.

`FILE.arrow` gets two companions: `FILE.arrow.skipped.jsonl`, one line for each row that was left
out, with its place and the reason; and `FILE.arrow.coverage.json`, the same counted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from seqsynth.coverage import CoverageReport
from seqsynth.example_files import json_text, replacing, writing_alone
from seqsynth.index_checks import Checks
from seqsynth.index_survey import Absent, Outcome, survey
from seqsynth.manifest_writer import writing_manifest
from seqsynth.sources import SOURCES, source_rows
from seqsynth.sources.files import COVERAGE_SUFFIX, SKIPPED_SUFFIX


def skipped_path(manifest_path: Path) -> Path:
    """Where the rows that were left out of a manifest stand."""
    return manifest_path.with_name(manifest_path.name + SKIPPED_SUFFIX)


def coverage_path(manifest_path: Path) -> Path:
    """Where the rows that were left out of a manifest are counted."""
    return manifest_path.with_name(manifest_path.name + COVERAGE_SUFFIX)


def index_corpus(
    source: str,
    root: str | Path,
    out_path: str | Path,
    *,
    annotations: Sequence[str | Path] = (),
    checks: Checks | None = None,
) -> CoverageReport:
    """Writes the manifest of a corpus and returns what is in it and what is not.

    Args:
        source: a key of `SOURCES`.
        root: the folder that paths of media are relative to.
        out_path: the manifest.
        annotations: the files to read; none: those below the root that have the usual names.
        checks: how closely files are looked at; None: headers of clips and videos.

    Raises:
        FileNotFoundError: no such folder or file.
        HeldError: another process writes the same manifest.
        ValueError: an unknown source, a file that is not of its form, or nothing that can be used.
    """
    report = empty_report(source, root, annotations, checks)
    command = f"index_corpus({source!r}, {str(root)!r})"
    return write_index(survey_of(report), Path(out_path), report=report, command=command)


def measure_coverage(
    source: str,
    root: str | Path,
    *,
    annotations: Sequence[str | Path] = (),
    checks: Checks | None = None,
) -> CoverageReport:
    """Counts what of a corpus can be used; arguments and errors as of `index_corpus`."""
    report = empty_report(source, root, annotations, checks)
    for outcome in survey_of(report):
        report.add(outcome)
    return report


def empty_report(
    source: str, root: str | Path, annotations: Sequence[str | Path], checks: Checks | None
) -> CoverageReport:
    """A report that nothing is counted in yet; it says what is to be looked at."""
    names = tuple(str(path) for path in annotations)
    return CoverageReport(source, str(root), names, checks or Checks())


def survey_of(report: CoverageReport) -> Iterator[Outcome]:
    """What of the source that a report names can be used; see `survey`."""
    root = Path(report.root)
    entries = source_rows(report.source, root, report.annotations)
    return survey(entries, source=report.source, root=root, checks=report.checks)


def write_index(
    outcomes: Iterable[Outcome], out_path: Path, *, report: CoverageReport, command: str
) -> CoverageReport:
    """Writes present rows to a manifest and the others beside it; old files stay until it is done.

    Args:
        outcomes: from a survey.
        out_path: the manifest.
        report: an empty one, which is filled and returned.
        command: what is being run; it is written into the manifest.

    Raises:
        HeldError: another process writes the same manifest.
        ValueError: no row can be used (names the most frequent reason).
    """
    paths = (out_path, skipped_path(out_path), coverage_path(out_path))
    lock_path = out_path.with_name(f".{out_path.name}.lock")
    with (
        writing_alone(lock_path, f"writing {out_path}", *paths),
        writing_manifest(out_path, root=report.root, command=command) as writer,
        replacing(skipped_path(out_path)) as skipped,
        replacing(coverage_path(out_path)) as counted,
    ):
        for outcome in outcomes:
            report.add(outcome)
            if isinstance(outcome, Absent):
                line = json.dumps(asdict(outcome), ensure_ascii=False)
                skipped.write(line + "\n")
            else:
                writer.add(outcome.row)
        if not report.totals.present:
            raise ValueError(_nothing(report))
        counted.write(json_text(report.to_record()))
    return report


def _nothing(report: CoverageReport) -> str:
    if not report.totals.listed:
        return f"{report.source} lists nothing in {report.root}"
    reason, count = report.reasons.most_common(1)[0]
    example = report.examples[reason][0]
    what = f"{reason.reason}: {example.detail}" if example.detail else reason.reason
    hint = ""
    if report.source in SOURCES:  # captions are also joined to manifests of other makers
        holds = SOURCES[report.source].holds
        hint = f". {report.source} reads {holds}; seqsynth index --help lists the others"
    return (
        f"none of the {report.totals.listed} rows of {report.source} can be used; {count} are "
        f"{reason.status}, for instance {example.path or example.origin} ({what}){hint}"
    )
