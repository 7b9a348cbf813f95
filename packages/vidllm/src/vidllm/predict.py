"""Answers a benchmark's questions and writes predictions.jsonl, in seconds.

One line a question: {"id", "task", "benchmark", "system", "events": [[start_seconds, end_seconds,
caption], ...], "text", "malformed"}. Lines are added as answers arrive, to `NAME.part`, whose first
line says what they were made with; an interrupted prediction goes on from there, and one made with
anything else starts over. `docs/formats.md` describes the file.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import timetokens as tt
from seqsynth.one_writer import one_writer
from vidllm.adapters import FrameSource
from vidllm.assembly import Assembly
from vidllm.benchmarks import Query
from vidllm.constraints import AnswerForm, answer_form
from vidllm.generation import Answer, Question, answers
from vidllm.processes import is_first, num_processes, process_index, wait_for_all
from vidllm.prompting import Prefix
from vidllm.run_folder import write_atomically

log = logging.getLogger(__name__)

DECIMALS = 6  # of seconds, as in the references
MAX_NEW_TOKENS = {"iig": 16, "iic": 48, "alr": 48, "tvg": 24, "dvc": 160}


@dataclass(frozen=True, slots=True)
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
    assembly: Assembly,
    features: FrameSource,
    queries: Sequence[Query],
    settings: PredictionSettings,
    path: Path,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, int]:
    """Answers the queries that `path` does not have yet.

    Args:
        assembly: the model.
        features: of every frame the queries show, or what else the model takes of them.
        queries: what is asked.
        settings: written along; `constrained` and `num_beams` decide how is decoded.
        path: predictions.jsonl.
        progress: called with (queries answered, queries).

    Returns:
        queries, answered (now), malformed (pieces that could not be read, in all answers).

    Raises:
        OSError: the file cannot be written.
        HeldError: another command is writing it.
    """
    with _one_writer(path):
        return _predict(assembly, features, queries, settings, path, progress)


def _one_writer(path: Path) -> contextlib.AbstractContextManager[object]:
    """Keeps a second command from writing the same predictions; the processes of one are one."""
    if not is_first():
        return contextlib.nullcontext()
    path.parent.mkdir(parents=True, exist_ok=True)
    return one_writer(path.with_name(f".{path.name}.lock"), f"writing {path}")


def _predict(
    assembly: Assembly,
    features: FrameSource,
    queries: Sequence[Query],
    settings: PredictionSettings,
    path: Path,
    progress: Callable[[int, int], None] | None,
) -> dict[str, int]:
    done = _answered(path, settings)
    open_queries = [query for query in queries if query.id not in done]
    wait_for_all()  # nobody writes before everybody has read
    if open_queries or not path.exists() or _parts(path):
        part = _part(path, process_index())
        if is_first():
            _start_part(part, settings, done)
            for other in set(_parts(path)) - {part}:
                other.unlink()
        wait_for_all()
        if not is_first():
            _start_part(part, settings, {})
        rows = _share(assembly, features, open_queries, settings)
        for answered in rows:
            _append(part, answered)
            done.update({row["id"]: row for row in answered})
            if progress is not None:
                progress(len(done), len(queries))
        wait_for_all()
        done = _answered(path, settings)
        wait_for_all()
        if is_first():
            _finish(path, [done[query.id] for query in queries], settings)
    return {
        "queries": len(queries),
        "answered": len(open_queries),
        "malformed": sum(done[query.id]["malformed"] for query in queries),
    }


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
    for batch in answers(model, features, mine, end_id, settings.num_beams):
        yield [_row(by_id[a.key], a, assembly, settings) for a in batch]


def is_complete(queries: Sequence[Query], settings: PredictionSettings, path: Path) -> bool:
    """Whether `path` already answers all queries with these settings, and nothing is left over."""
    done = _answered(path, settings)
    is_clear = path.exists() and not _parts(path)
    return is_clear and all(query.id in done for query in queries)


def write_events(
    queries: Sequence[Query],
    events: Sequence[Iterable[tuple[float, float, str]]],
    settings: PredictionSettings,
    path: Path,
) -> None:
    """Writes predictions that no model made (chance); one process does."""
    if not is_first():
        return
    rows = []
    for query, found in zip(queries, events, strict=True):
        rounded = [
            [round(start, DECIMALS), round(end, DECIMALS), text] for start, end, text in found
        ]
        rows.append(_record(query, settings, rounded, text="", malformed=0))
    _finish(path, rows, settings)


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
                prompter, tt.CODECS[example.codec], example.task, settings.templates
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
    if example.task in ("iig", "iic", "alr"):
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
    rounded = [[round(start, DECIMALS), round(end, DECIMALS), text] for start, end, text in events]
    return rounded, max(len(malformed), 0 if events else 1)


def read_predictions(path: Path) -> dict[str, dict[str, Any]]:
    """The rows of a predictions file by query id; a last line left half is dropped."""
    rows: dict[str, dict[str, Any]] = {}
    # By line feeds alone: an answer may hold other breaks, and end within a letter when killed.
    for line in path.read_text("utf-8", errors="replace").split("\n"):
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


def _part(path: Path, process: int) -> Path:
    """Where a process adds its rows: NAME.part, NAME.part-1, ..."""
    return path.with_name(f"{path.name}.part" + (f"-{process}" if process else ""))


def _parts(path: Path) -> list[Path]:
    """The files that processes have begun, of this start or of one before it."""
    return sorted(path.parent.glob(f"{glob.escape(path.name)}.part*"))


def _answered(path: Path, settings: PredictionSettings) -> dict[str, dict[str, Any]]:
    """Rows that were made with the same settings before."""
    if path.exists() and _settings_path(path).exists():
        if json.loads(_settings_path(path).read_text("utf-8")) == asdict(settings):
            return read_predictions(path)
        log.info("%s was made with other settings: predicting again", path)
    rows: dict[str, dict[str, Any]] = {}
    for part in _parts(path):
        first = part.read_text("utf-8", errors="replace").partition("\n")[0]
        if first == json.dumps({"made_with": asdict(settings)}):
            rows |= read_predictions(part)
    return rows


def _start_part(
    part: Path, settings: PredictionSettings, done: Mapping[str, Mapping[str, Any]]
) -> None:
    part.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"made_with": asdict(settings)})]
    lines += [json.dumps(row, ensure_ascii=False) for row in done.values()]
    write_atomically(part, "".join(f"{line}\n" for line in lines))


def _append(part: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    try:
        with part.open("a", encoding="utf-8", newline="\n") as handle:
            handle.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    except OSError as error:
        raise OSError(
            f"{part} cannot be written ({error.strerror}): make room, then run the same command "
            "again, it goes on"
        ) from error


def _finish(
    path: Path,
    rows: Sequence[Mapping[str, Any]],
    settings: PredictionSettings,
) -> None:
    """Puts the finished file in its place, in the order of the questions."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # What says how old rows were made must not stand beside new ones, whatever ends us in between.
    _settings_path(path).unlink(missing_ok=True)
    write_atomically(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    write_atomically(_settings_path(path), json.dumps(asdict(settings), indent=2) + "\n")
    for part in _parts(path):
        part.unlink(missing_ok=True)


def _settings_path(path: Path) -> Path:
    return path.with_name(path.name + ".made_with.json")


def weights_name(checkpoint_dir: Path) -> str:
    """Names a checkpoint by its place in the run and the hash of its record."""
    record = (checkpoint_dir / "checkpoint.json").read_bytes()
    return f"{checkpoint_dir.name}:{hashlib.sha256(record).hexdigest()[:16]}"
