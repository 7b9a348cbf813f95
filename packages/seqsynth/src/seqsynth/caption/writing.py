"""Writes captions into the folder of a run, which says what they were made with."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from seqsynth.caption.records import SCHEMA, Captioned, Failed, Result, table_of
from seqsynth.caption.settings import CaptionSettings
from seqsynth.caption.shards import known_ids, next_shard, read_shard, write_shard
from seqsynth.example_files import write_json
from seqsynth.parsing import parsed_json
from seqsynth.skipping import least_judged

SETTINGS_NAME = "caption.json"
FAILED_NAME = "failed.jsonl"
FORMAT_VERSION = 1
DEFAULT_MAX_FAILED = 0.05
DEFAULT_SHARD_SIZE = 1000

_MAX_KIND_LENGTH = 80

OnDone = Callable[[int], None]


class TooManyFailedError(RuntimeError):
    """More clips have no caption than the run allows; what is done is kept."""


@dataclass(slots=True)
class CaptionReport:
    """What a run came to.

    Attributes:
        num_before: clips that had a caption when it began.
        num_captioned: clips that it captioned.
        reasons: how many clips it could not caption, by kind of reason.
        finish_reasons: how the new captions ended.
    """

    num_before: int = 0
    num_captioned: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    finish_reasons: Counter[str] = field(default_factory=Counter)

    @property
    def num_failed(self) -> int:
        """Clips that have no caption yet."""
        return self.reasons.total()


def open_folder(
    folder: Path, settings: CaptionSettings, facts: Mapping[str, Any]
) -> dict[str, Path]:
    """The clips that are done in a folder; writes its `caption.json` where there is none.

    Args:
        folder: is there.
        settings: of the run; those of an earlier run must be the same.
        facts: what else `caption.json` says, of the first run.

    Raises:
        ValueError: other settings, or a damaged shard (names it).
    """
    path = folder / SETTINGS_NAME
    wanted = settings.to_record()
    try:
        record = parsed_json(path.read_bytes())
    except FileNotFoundError:
        write_json({"format_version": FORMAT_VERSION, "settings": wanted, **facts}, path)
    except ValueError as error:
        raise ValueError(
            f"{path} is damaged ({error}): restore it, or take another --out"
        ) from None
    else:
        known = record.get("settings") if isinstance(record, dict) else None
        if not isinstance(known, dict) or record.get("format_version") != FORMAT_VERSION:
            raise ValueError(f"{path} is not of this version: take another --out")
        for name, value in wanted.items():
            if known.get(name) != value:
                raise ValueError(
                    f"{path} has {name} {_short(known.get(name))}, this run {_short(value)}: "
                    "captions of one folder are made alike; take another --out"
                )
    return known_ids(folder, SCHEMA)


def corpus_root(folder: Path) -> Path:
    """Where the clips of a folder of captions lay when they were captioned.

    Raises:
        ValueError: its `caption.json` does not say.
    """
    path = folder / SETTINGS_NAME
    try:
        return Path(parsed_json(path.read_bytes())["corpus"]["root"])
    except (OSError, ValueError, KeyError, TypeError):
        raise ValueError(f"{path} does not say where the clips lie: name it with --root") from None


def write_results(
    results: Iterable[Result],
    folder: Path,
    settings: CaptionSettings,
    done: Mapping[str, Path],
    *,
    shard_size: int,
    num_planned: int = 0,
    max_failed: float = DEFAULT_MAX_FAILED,
    on_done: OnDone | None = None,
) -> CaptionReport:
    """Writes results to new shards, and those that failed to `failed.jsonl`.

    Where the results break off with an error, what came before is written first.

    Args:
        results: in the order in which they are to stand.
        folder: of captions.
        settings: what they were made with.
        done: from `open_folder`.
        shard_size: captions of a shard.
        num_planned: results that are to come.
        max_failed: largest share of clips without a caption, in [0, 1]; of the first few of many
            more may fail.
        on_done: is told how many more clips are done with.

    Raises:
        TooManyFailedError: more have failed.
        ValueError: the model is of another revision than that of the captions that are there.
    """
    report = CaptionReport(num_before=len(done))
    revision = _known_revision(done)
    with _shard_filler(folder, settings, shard_size) as add, _failures(folder) as failed:
        for result in results:
            if isinstance(result, Failed):
                _write_failure(result, failed)
                report.reasons[_kind_of(result)] += 1
                _check_share(report, max_failed, least_judged(num_planned), failed.name)
            else:
                revision = _same_revision(revision, result, folder)
                add(result)
                report.num_captioned += 1
                report.finish_reasons[result.finish_reason] += 1
            if on_done:
                on_done(1)
    return report


@contextlib.contextmanager
def _shard_filler(
    folder: Path, settings: CaptionSettings, shard_size: int
) -> Iterator[Callable[[Captioned], None]]:
    """Takes captions and writes a shard when it is full, and at the end, however that comes."""
    pending: list[Captioned] = []

    def flush() -> None:
        if pending:
            write_shard(table_of(pending, settings), next_shard(folder))
            pending.clear()

    def add(captioned: Captioned) -> None:
        pending.append(captioned)
        if len(pending) == shard_size:
            flush()

    try:
        yield add
    finally:
        flush()


@contextlib.contextmanager
def _failures(folder: Path) -> Iterator[IO[str]]:
    """The file of the clips that this run could not caption; gone where there are none."""
    path = folder / FAILED_NAME
    with path.open("w", encoding="utf-8", buffering=1) as handle:
        try:
            yield handle
        finally:
            if handle.tell() == 0:
                path.unlink()


def _write_failure(failed: Failed, handle: IO[str]) -> None:
    record = {"id": failed.request.id, "path": failed.request.path, "reason": failed.reason}
    handle.write(json.dumps(record, ensure_ascii=False) + "\n")


def _check_share(report: CaptionReport, max_failed: float, least: int, path: str) -> None:
    num_tried = report.num_captioned + report.num_failed
    if report.num_failed > max_failed * max(num_tried, least):
        reasons = "; ".join(f"{count} x {kind}" for kind, count in report.reasons.most_common(5))
        raise TooManyFailedError(
            f"{report.num_failed} of {num_tried} clips got no caption ({reasons}), see {path}; at "
            f"most {max_failed:.1%} are allowed, so the run stops; what is done is kept"
        )


def _known_revision(done: Mapping[str, Path]) -> str | None:
    for path in done.values():
        return str(read_shard(path, SCHEMA, ["revision"]).column(0)[0].as_py())
    return None


def _same_revision(known: str | None, result: Captioned, folder: Path) -> str:
    if known is not None and result.revision != known:
        raise ValueError(
            f"{folder} has captions by revision {known or '(unknown)'}, the model is now "
            f"{result.revision or '(unknown)'}: name the first with --revision, or take another "
            "--out"
        )
    return result.revision


def _kind_of(failed: Failed) -> str:
    """The reason without the path, which makes every one different."""
    reason = failed.reason.split(failed.request.path)[-1].lstrip(": ")
    return reason[:_MAX_KIND_LENGTH]


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:60]}..."
