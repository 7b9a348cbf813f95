"""Which predictions are scored against which references, when files hold several of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from vidmetrics.errors import InputError
from vidmetrics.readers.records import Record

VIDEO_EXTENSIONS = (".mp4", ".mkv", ".webm", ".avi", ".mov")


@dataclass(frozen=True, eq=False, slots=True)
class Job:
    """One evaluation.

    Attributes:
        benchmark: its name, `""` where the files name none.
        system: likewise.
        references: one mapping of id to record a reference set.
        predictions: id to record; ids are those of the references where they could be matched.
        notes: what a user should know about the match.
    """

    benchmark: str
    system: str
    references: Sequence[Mapping[str, Record]]
    predictions: Mapping[str, Record]
    notes: Sequence[str]

    @property
    def malformed(self) -> int:
        """Parts of the model's answers that could not be read."""
        return sum(record.malformed for record in self.predictions.values())


def make_jobs(
    references: Sequence[Sequence[Record]],
    predictions: Sequence[Record],
    *,
    benchmarks: Sequence[str] = (),
    systems: Sequence[str] = (),
) -> list[Job]:
    """One job for each wanted benchmark and system.

    Args:
        references: the records of each reference file.
        predictions: the records of the prediction file.
        benchmarks: names to keep; all if empty.
        systems: likewise.

    Raises:
        InputError: a name that is not there (lists those that are), or predictions none of which
            belongs to a reference.
    """
    first_benchmarks = _names(record.benchmark for record in references[0])
    wanted = _chosen(benchmarks, first_benchmarks, "benchmark")
    wanted_systems = _chosen(systems, _names(record.system for record in predictions), "system")
    jobs: list[Job] = []
    skipped: list[str] = []
    for benchmark in wanted:
        sets = [_by_id(_of_benchmark(records, benchmark)) for records in references]
        for system in wanted_systems or [""]:
            own = [
                record
                for record in _of_benchmark(predictions, benchmark)
                if record.system == system
            ]
            if not own and len(wanted) * len(wanted_systems) > 1:
                skipped.append(f"{system or 'the system'} has no predictions for {benchmark}")
                continue
            jobs.append(_match(benchmark, system, sets, own))
    if not jobs:
        raise InputError(
            "no benchmark of the references occurs in the predictions: "
            f"{_listed(wanted)} against {_listed(_names(r.benchmark for r in predictions))}"
        )
    if skipped:
        jobs[0] = replace(jobs[0], notes=[*jobs[0].notes, *skipped])
    return jobs


def _match(
    benchmark: str, system: str, sets: Sequence[Mapping[str, Record]], predicted: Sequence[Record]
) -> Job:
    """Predictions under the references' ids; by file name without folder if need be."""
    known = {name for one in sets for name in one}
    predictions = _by_id(predicted)
    notes: list[str] = []
    if predictions and not known & predictions.keys():
        stems = {_stem(name): name for name in known}
        matched = {stems.get(_stem(name), name): record for name, record in predictions.items()}
        if len(stems) < len(known) or len(matched) < len(predictions) or not known & matched.keys():
            raise InputError(
                f"no prediction belongs to a reference: {_examples(predictions)} against "
                f"{_examples(known)}; are these files of the same benchmark?"
            )
        predictions = matched
        notes.append("names matched without folder and file extension")
    return Job(benchmark, system, sets, predictions, notes)


def _of_benchmark(records: Sequence[Record], benchmark: str) -> list[Record]:
    """Records of a benchmark; a file that names none has only one."""
    if not any(record.benchmark for record in records) or not benchmark:
        return list(records)
    return [record for record in records if record.benchmark == benchmark]


def _chosen(wanted: Sequence[str], there: Sequence[str], what: str) -> list[str]:
    for name in wanted:
        if name not in there:
            raise InputError(f"no {what} {name!r}; there are {_listed(there)}")
    return list(wanted) or list(there)


def _by_id(records: Sequence[Record]) -> dict[str, Record]:
    """Records by id; each id may stand once."""
    found: dict[str, Record] = {}
    for record in records:
        if record.id in found:
            raise InputError(
                f"{record.place()}: {record.id!r} stands in several benchmarks "
                f"({found[record.id].benchmark!r}, {record.benchmark!r}), but the other file "
                "names none: score against references that name them"
            )
        found[record.id] = record
    return found


def _names(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names if name) or "no names"


def _examples(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in sorted(names)[:3])


def _stem(name: str) -> str:
    stem = name.replace("\\", "/").rsplit("/", 1)[-1]
    for extension in VIDEO_EXTENSIONS:
        stem = stem.removesuffix(extension)
    return stem
