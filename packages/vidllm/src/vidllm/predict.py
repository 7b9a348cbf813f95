"""Answers a benchmark's questions and writes predictions.jsonl, in seconds.

One line a question: {"id", "task", "benchmark", "system", "events": [[start_seconds, end_seconds,
caption], ...], "text", "malformed"}. Lines are added as answers arrive; an interrupted prediction
goes on from there, and one made with anything else starts over; see `docs/formats.md`.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import timetokens as tt
from seqsynth.image_tasks import IMAGE_TASKS
from vidllm.adapters import FrameSource
from vidllm.assembly import Assembly
from vidllm.benchmarks import Query
from vidllm.checkpoint import RECORD_NAME
from vidllm.constraints import AnswerForm, answer_form
from vidllm.generation import Answer, Question, answers
from vidllm.prediction_files import (
    PredictionSettings,
    append_rows,
    is_finished,
    is_made_with,
    own_part,
    put_in_place,
    refuse_others_work,
    remove_parts,
    rows_made_with,
    settings_path,
    start_part,
    writing_predictions,
)
from vidllm.processes import is_first, num_processes, process_index, wait_for_all
from vidllm.prompting import Prefix

log = logging.getLogger(__name__)

DECIMALS = 6  # of seconds, as in the references


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
    with writing_predictions(path) as is_alone:
        done = rows_made_with(path, settings)
        open_queries = [query for query in queries if query.id not in done]
        is_done = not open_queries and is_made_with(path, settings)
        if is_first() and not is_done and settings_path(path).exists():
            log.info("%s was made with other settings: predicting again", path)
        wait_for_all()  # nobody writes before everybody has read
        if not is_done:
            part = own_part(path)
            if is_first():
                start_part(part, settings, done)
                remove_parts(path, keep=part, is_alone=is_alone)
            wait_for_all()
            if not is_first():
                start_part(part, settings, {})
            for answered in _share(assembly, features, open_queries, settings):
                append_rows(part, answered)
                done.update({row["id"]: row for row in answered})
                if progress is not None:
                    progress(len(done), len(queries))
            wait_for_all()
            done = rows_made_with(path, settings)
            wait_for_all()
            if is_first():
                put_in_place([done[query.id] for query in queries], path, settings)
            wait_for_all()  # until then a kill may leave the parts as all there is
            part.unlink(missing_ok=True)
        if is_first():
            remove_parts(path, keep=None, is_alone=is_alone)
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
    done = rows_made_with(path, settings)
    return is_finished(path) and all(query.id in done for query in queries)


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
    with writing_predictions(path) as is_alone:
        refuse_others_work(path)
        part = own_part(path)
        start_part(part, settings, rows)  # so that a kill leaves nothing that looks like another's
        put_in_place(list(rows.values()), path, settings)
        remove_parts(path, keep=None, is_alone=is_alone)
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


def weights_name(checkpoint_dir: str | Path) -> str:
    """Names a checkpoint by its place in the run and the hash of its record."""
    checkpoint_dir = Path(checkpoint_dir)
    record = (checkpoint_dir / RECORD_NAME).read_bytes()
    return f"{checkpoint_dir.name}:{hashlib.sha256(record).hexdigest()[:16]}"
