"""Answers a benchmark's questions and writes predictions.jsonl, in seconds.

One line a question: {"id", "task", "benchmark", "system", "events": [[start_seconds, end_seconds,
caption], ...], "text", "malformed"}. Lines are added as answers arrive, by each process to its own
`NAME.part-ID-HOST-PID`, whose first line says what they were made with; an interrupted prediction
goes on from there, and one made with anything else starts over; see `docs/formats.md`.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import logging
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import timetokens as tt
from seqsynth.example_files import naming
from seqsynth.image_tasks import IMAGE_TASKS
from seqsynth.one_writer import one_writer
from seqsynth.parsing import parsed_json
from vidllm.adapters import FrameSource
from vidllm.assembly import Assembly
from vidllm.benchmarks import Query
from vidllm.checkpoint import RECORD_NAME
from vidllm.constraints import AnswerForm, answer_form
from vidllm.generation import Answer, Question, answers
from vidllm.processes import is_first, num_processes, process_index, wait_for_all
from vidllm.prompting import Prefix
from vidllm.run_folder import write_atomically
from vidllm.scratch import is_forgotten, own_mark

log = logging.getLogger(__name__)

FORMAT_VERSION = 1
DECIMALS = 6  # of seconds, as in the references
MAX_NEW_TOKENS = {"iig": 16, "iic": 48, "alr": 48, "tvg": 24, "dvc": 160}


@dataclass(frozen=True, kw_only=True, slots=True)
class PredictionSettings:
    """What predictions depend on besides the model; kept with them.

    Attributes:
        system: what the predictions are called: trained, untrained, without_seq2time, chance.
        weights: which weights: a checkpoint's path and hash, or where a start was drawn from.
        benchmark_sha256: of the questions.
        constrained: answers were held to the form of the task (vidllm.constraints).
        templates: the benchmark's wording, which the forms are taken from.
        num_beams: places looked at side by side; 1 is greedy.
        max_new_tokens: where an answer is cut off, by task.
    """

    system: str
    weights: str
    benchmark_sha256: str
    constrained: bool = True
    templates: str = "paper"
    num_beams: int = 1
    max_new_tokens: Mapping[str, int] = field(default_factory=lambda: dict(MAX_NEW_TOKENS))


def predict(
    queries: Sequence[Query],
    path: str | Path,
    *,
    assembly: Assembly,
    features: FrameSource,
    settings: PredictionSettings,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, int]:
    """Answers the queries that `path` does not have yet.

    Args:
        queries: what is asked.
        path: predictions.jsonl.
        assembly: the model.
        features: of every frame the queries show, or what else the model takes of them.
        settings: written along; `constrained` and `num_beams` decide how is decoded.
        progress: called with (queries answered, queries).

    Returns:
        queries, answered (now), malformed (pieces that could not be read, in all answers).

    Raises:
        ValueError: something else is at `path`.
        OSError: the file cannot be written.
        HeldError: another command is writing it.
    """
    path = Path(path)
    with _one_writer(path) as is_alone:
        done = _answered(path, settings)
        open_queries = [query for query in queries if query.id not in done]
        is_finished = not open_queries and _is_made_with(path, settings)
        if is_first() and not is_finished and _settings_path(path).exists():
            log.info("%s was made with other settings: predicting again", path)
        wait_for_all()  # nobody writes before everybody has read
        if not is_finished:
            part = _own_part(path)
            if is_first():
                _start_part(part, settings, done)
                _remove_parts(path, keep=part, is_alone=is_alone)
            wait_for_all()
            if not is_first():
                _start_part(part, settings, {})
            for answered in _share(assembly, features, open_queries, settings):
                _append(part, answered)
                done.update({row["id"]: row for row in answered})
                if progress is not None:
                    progress(len(done), len(queries))
            wait_for_all()
            done = _answered(path, settings)
            wait_for_all()
            if is_first():
                _finish([done[query.id] for query in queries], path, settings)
            wait_for_all()  # until then a kill may leave the parts as all there is
            part.unlink(missing_ok=True)
        if is_first():
            _remove_parts(path, keep=None, is_alone=is_alone)
    return {
        "queries": len(queries),
        "answered": len(open_queries),
        "malformed": sum(done[query.id]["malformed"] for query in queries),
    }


def _one_writer(path: Path) -> contextlib.AbstractContextManager[bool]:
    """Keeps a second command from writing the same predictions; the processes of one are one.

    Yields:
        Whether all parts of the predictions are this command's. It is False where the system has no
        locks, and in all but the first process.
    """
    if not is_first():
        return contextlib.nullcontext(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    return one_writer(_lock_path(path), f"writing {path}")


def _share(
    assembly: Assembly,
    features: FrameSource,
    queries: Sequence[Query],
    settings: PredictionSettings,
) -> Iterator[list[dict[str, Any]]]:
    """Rows of the queries that fall to this process, in batches."""
    model: Any = assembly.model
    model.eval()
    by_id = {query.id: query for query in queries}
    groups = group_by_prefix(assembly, queries, settings)
    mine = groups[process_index() :: num_processes()]
    end_id = assembly.prompter.end_ids[0]
    for batch in answers(model, features, mine, end_id=end_id, num_beams=settings.num_beams):
        yield [_row(by_id[a.key], a, assembly, settings) for a in batch]


def is_complete(
    queries: Sequence[Query], path: str | Path, *, settings: PredictionSettings
) -> bool:
    """Whether `path` already answers all queries with these settings, and nothing is left over.

    Raises:
        ValueError: something else is there.
    """
    path = Path(path)
    done = _answered(path, settings)
    is_clear = path.exists() and not _parts(path) and not _lock_path(path).exists()
    return is_clear and all(query.id in done for query in queries)


def write_events(
    queries: Sequence[Query],
    events: Sequence[Iterable[tuple[float, float, str]]],
    path: str | Path,
    *,
    settings: PredictionSettings,
) -> None:
    """Writes predictions that no model made (chance); one process does.

    Raises:
        ValueError: something else is at `path`.
        OSError: the file cannot be written.
        HeldError: another command is writing it.
    """
    if not is_first():
        return
    path = Path(path)
    rows = {
        query.id: _record(query, settings, _rounded(found), text="", malformed=0)
        for query, found in zip(queries, events, strict=True)
    }
    with _one_writer(path) as is_alone:
        _refuse_others_work(path)
        part = _own_part(path)
        _start_part(part, settings, rows)  # so that a kill leaves nothing that looks like another's
        _finish(list(rows.values()), path, settings)
        _remove_parts(path, keep=None, is_alone=is_alone)
        part.unlink(missing_ok=True)


def group_by_prefix(
    assembly: Assembly, queries: Sequence[Query], settings: PredictionSettings
) -> list[tuple[Prefix, list[Question]]]:
    """The queries by what they show: sequences that look alike are encoded once."""
    prompter = assembly.prompter
    groups: dict[Prefix, list[Question]] = {}
    forms: dict[str, AnswerForm | None] = {}
    for query in queries:
        example = query.example
        if settings.constrained and example.task not in forms:
            forms[example.task] = answer_form(
                prompter,
                tt.CODECS[example.codec],
                example.task,
                templates=settings.templates,
            )
        limit = settings.max_new_tokens[example.task]
        form = forms.get(example.task)
        question = Question(query.id, prompter.question(query.prompt), limit, form)
        groups.setdefault(prompter.prefix(example), []).append(question)
    return list(groups.items())


def events_of(query: Query, answer: str) -> tuple[list[list[Any]], int]:
    """What an answer says, in seconds, and how many pieces of it could not be read.

    A place in an image sequence is an item: number k is [k - 1, k). An answer from which nothing
    could be read counts as one malformed piece.
    """
    example = query.example
    malformed: Sequence[object]
    events: list[tuple[float, float, str]]
    if example.task in IMAGE_TASKS:
        items = tt.parse_items(answer, example.codec, length=query.num_frames)
        events = [(float(k - 1), float(k), "") for k in items.items]
        malformed = items.malformed
    elif example.task == "tvg":
        spans = tt.parse_spans(answer, example.codec, duration_seconds=example.duration_seconds)
        events = [(s.start_seconds, s.end_seconds, "") for s in spans.spans]
        malformed = spans.malformed
    else:
        found = tt.parse_events(answer, example.codec, duration_seconds=example.duration_seconds)
        events = [(e.start_seconds, e.end_seconds, e.caption) for e in found.events]
        malformed = found.malformed
    return _rounded(events), max(len(malformed), 0 if events else 1)


def _rounded(events: Iterable[tuple[float, float, str]]) -> list[list[Any]]:
    return [[round(start, DECIMALS), round(end, DECIMALS), text] for start, end, text in events]


def read_predictions(path: str | Path) -> dict[str, dict[str, Any]]:
    """The rows of a predictions file by query id; a last line left half is dropped."""
    rows: dict[str, dict[str, Any]] = {}
    # By line feeds alone: an answer may hold other breaks, and end within a letter when killed.
    for line in Path(path).read_text("utf-8", errors="replace").split("\n"):
        if not line:
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            break
        if "id" in row:
            rows[row["id"]] = row
    return rows


def _row(
    query: Query, answer: Answer, assembly: Assembly, settings: PredictionSettings
) -> dict[str, Any]:
    tokenizer: Any = assembly.tokenizer
    text = tokenizer.decode(answer.ids, skip_special_tokens=True).strip()
    events, malformed = events_of(query, text)
    return _record(query, settings, events, text=text, malformed=malformed)


def _record(
    query: Query,
    settings: PredictionSettings,
    events: list[list[Any]],
    *,
    text: str,
    malformed: int,
) -> dict[str, Any]:
    return {
        "id": query.id,
        "task": query.example.task,
        "benchmark": query.benchmark,
        "system": settings.system,
        "events": events,
        "text": text,
        "malformed": malformed,
    }


def _own_part(path: Path) -> Path:
    """Where this process adds its rows; nobody else does, locks or no locks."""
    # Containers may share a host's name, and their processes have the same numbers each time.
    return path.with_name(f"{path.name}.part-{secrets.token_hex(4)}-{own_mark()}")


def _parts(path: Path) -> list[Path]:
    """The files that processes have begun, of this start or of one before it."""
    return sorted(path.parent.glob(f"{glob.escape(path.name)}.part-*"))


def _remove_parts(path: Path, *, keep: Path | None, is_alone: bool) -> None:
    """Removes what no living process adds to, all but one of them."""
    for part in set(_parts(path)) - {keep}:
        mark = part.name.removeprefix(f"{path.name}.part-").partition("-")[2]
        if is_alone or is_forgotten(part, mark):
            part.unlink(missing_ok=True)


def _refuse_others_work(path: Path) -> None:
    """Keeps what is no prediction, references say, from being overwritten.

    Raises:
        ValueError: such a file is there.
    """
    is_empty = path.is_file() and not path.stat().st_size  # made by mktemp
    # In this order: who finishes puts the settings in their place before the parts go.
    if path.exists() and not is_empty and not _parts(path) and not _settings_path(path).exists():
        raise ValueError(
            f"{path} is there and is no prediction of vidllm ({_settings_path(path).name} is not "
            "beside it): name another file, or remove it"
        )


def _answered(path: Path, settings: PredictionSettings) -> dict[str, dict[str, Any]]:
    """Rows that were made with the same settings before."""
    _refuse_others_work(path)
    if _is_made_with(path, settings):
        return read_predictions(path)
    rows: dict[str, dict[str, Any]] = {}
    for part in _parts(path):
        lines = part.read_text("utf-8", errors="replace")
        if lines.startswith(_line({"made_with": _made_with(settings)})):
            rows |= read_predictions(part)
    return rows


def _made_with(settings: PredictionSettings) -> dict[str, Any]:
    return {"format_version": FORMAT_VERSION, **asdict(settings)}


def _is_made_with(path: Path, settings: PredictionSettings) -> bool:
    """Whether predictions are there, and those of these settings; damaged ones equal no others."""
    if not (path.exists() and _settings_path(path).exists()):
        return False
    try:
        return bool(parsed_json(_settings_path(path).read_bytes()) == _made_with(settings))
    except ValueError:
        return False


def _start_part(
    part: Path, settings: PredictionSettings, done: Mapping[str, Mapping[str, Any]]
) -> None:
    part.parent.mkdir(parents=True, exist_ok=True)
    _append(part, [{"made_with": _made_with(settings)}, *done.values()])
    if done:  # the older parts, which go next, are all that the disk itself has of it
        with naming(part), part.open("rb+") as handle:
            os.fsync(handle.fileno())


def _append(part: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    try:
        with part.open("a", encoding="utf-8", newline="\n") as handle:
            handle.writelines(_line(row) for row in rows)
    except OSError as error:
        raise OSError(
            f"{part} cannot be written ({error.strerror}): make room, then run the same command "
            "again, it goes on"
        ) from error


def _finish(rows: Sequence[Mapping[str, Any]], path: Path, settings: PredictionSettings) -> None:
    """Puts the finished file in its place, in the order of the questions."""
    # What says how old rows were made must not stand beside new ones, whatever ends us in between.
    _settings_path(path).unlink(missing_ok=True)
    write_atomically("".join(map(_line, rows)), path)
    write_atomically(json.dumps(_made_with(settings), indent=2) + "\n", _settings_path(path))


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def _lock_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")


def _settings_path(path: Path) -> Path:
    return path.with_name(path.name + ".made_with.json")


def weights_name(checkpoint_dir: str | Path) -> str:
    """Names a checkpoint by its place in the run and the hash of its record."""
    checkpoint_dir = Path(checkpoint_dir)
    record = (checkpoint_dir / RECORD_NAME).read_bytes()
    return f"{checkpoint_dir.name}:{hashlib.sha256(record).hexdigest()[:16]}"
