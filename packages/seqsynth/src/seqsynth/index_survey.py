"""Looks at what a source lists: which rows can be used, and why the others cannot.

`seqsynth index` writes what passes here into a manifest, `seqsynth coverage` counts it. Every row
that a source lists comes out exactly once, as present, missing or unreadable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import Literal

from seqsynth.clip_table import MAX_DURATION_MS
from seqsynth.index_checks import Checks
from seqsynth.index_ids import SeenIds
from seqsynth.index_media import MediaFolder
from seqsynth.index_probe import Probe, ProbeError, check_picture, probe_video
from seqsynth.manifest_schema import ManifestRow
from seqsynth.shard_paths import shard_path
from seqsynth.sources.events import within
from seqsynth.sources.rows import BadRow, Entry, RowError, SourceRow

Status = Literal["missing", "unreadable"]

_ROWS_AT_ONCE = 1024
_PROBES_REMEMBERED = 1 << 17  # a video of an instruction set comes in many rows
_MIN_CLIP_SECONDS, _MAX_CLIP_SECONDS = 0.001, MAX_DURATION_MS / 1000  # what a planner takes
_MAX_DURATION_ERROR = 0.05  # of the playing time that an annotation names


@dataclass(frozen=True, slots=True)
class Present:
    """A row that can be used, and what was corrected in it."""

    row: ManifestRow
    flaws: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """A row that cannot.

    Attributes:
        status: its file is not there, or the row or file cannot be read.
        origin: where the row stands.
        reason: the kind of fault, shared by many rows.
        detail: what stands there, or what a decoder said.
        path: the file, or where it was looked for first; "" where the row names none.
        part: part of the source.
        id: of the row, "" where it has none.
    """

    status: Status
    origin: str
    reason: str
    detail: str = ""
    path: str = ""
    part: str = ""
    id: str = ""


Outcome = Present | Absent
_Found = Absent | tuple[SourceRow, str]
_Prober = Callable[[Path], Probe]


def survey(
    entries: Iterable[Entry], *, source: str, root: Path, checks: Checks
) -> Iterator[Outcome]:
    """One outcome for each entry, in the same order.

    Args:
        entries: what the source lists.
        source: its name.
        root: the folder that paths are relative to.
        checks: how closely files are looked at.
    """
    folder, seen = MediaFolder(root), SeenIds()
    remaining = iter(entries)
    batches = iter(lambda: [_find(e, folder, seen) for e in islice(remaining, _ROWS_AT_ONCE)], [])
    look_all = partial(_look_all, source=source, root=root.absolute(), checks=checks)
    if checks.engine == "ray":
        from seqsynth.ray_engine import ordered_map

        for outcomes in ordered_map(look_all, batches, num_workers=checks.num_workers):
            yield from outcomes
        return
    prober = _remembering_prober(checks)
    with ThreadPoolExecutor(checks.num_workers) as pool:
        for batch in batches:
            shared = checks.num_workers > 1 and any(_needs_file(item, checks) for item in batch)
            yield from look_all(batch, prober=prober, pool=pool if shared else None)


def _look_all(
    batch: Sequence[_Found],
    *,
    source: str,
    root: Path,
    checks: Checks,
    prober: _Prober | None = None,
    pool: ThreadPoolExecutor | None = None,
) -> list[Outcome]:
    """The outcomes of a batch; a pure function of it and of the files that it names."""
    prober = prober or _remembering_prober(checks)
    look = partial(_look, source=source, root=root, checks=checks, prober=prober)
    return list(pool.map(look, batch) if pool else map(look, batch))


def _remembering_prober(checks: Checks) -> _Prober:
    probe = partial(probe_video, depth=checks.probe)
    if checks.probe == "pts":  # lists of millions of times are not worth remembering
        return probe
    return lru_cache(maxsize=_PROBES_REMEMBERED)(probe)


def _needs_file(found: _Found, checks: Checks) -> bool:
    if isinstance(found, Absent):
        return False
    return checks.decode_images if found[0].kind == "image" else checks.probe != "none"


def _find(entry: Entry, folder: MediaFolder, seen: SeenIds) -> _Found:
    """The row with the path it was found at."""
    if isinstance(entry, BadRow):
        return Absent(
            status="unreadable",
            origin=entry.origin,
            reason=entry.reason,
            detail=entry.detail,
            part=entry.part,
        )
    if not seen.add(entry.id):
        return _absent(entry, entry.paths[0], "unreadable", "id comes twice", entry.id)
    path = folder.find(entry.paths)
    if path is None and (uncut := folder.find(entry.uncut_paths)):
        return _absent(entry, entry.paths[0], "missing", "not cut from the whole video yet", uncut)
    if path is None:
        return _absent(entry, entry.paths[0], "missing", "no such file")
    return entry, path


def _look(found: _Found, *, source: str, root: Path, checks: Checks, prober: _Prober) -> Outcome:
    if isinstance(found, Absent):
        return found
    row, path = found
    try:
        if row.kind == "image":
            if checks.decode_images:
                check_picture(_media_path(root, path, row))
            return Present(_manifest_row(row, path, source), row.flaws)
        probe = None if checks.probe == "none" else prober(root / path)
        fitted = _fitted(row, probe)
    except ProbeError as error:
        return _absent(row, path, "unreadable", error.reason, error.detail)
    except RowError as error:
        return _absent(row, path, "unreadable", error.reason, error.detail)
    except OSError as error:
        return _absent(row, path, "unreadable", "cannot be opened", str(error))
    manifest_row = _manifest_row(fitted, path, source)
    if probe is not None:
        manifest_row = replace(
            manifest_row, codec=probe.codec, pts_index=probe.pts_index, pts_end=probe.pts_end
        )
    return Present(manifest_row, fitted.flaws)


def _fitted(row: SourceRow, probe: Probe | None) -> SourceRow:
    """The row with playing time and frames of its file, and its events cut to them.

    A clip is as long as its file. A video is as long as its annotation says, because its events
    were written on that scale.
    """
    duration_seconds, num_frames, flaws = row.duration_seconds, row.num_frames, row.flaws
    if probe is not None:
        num_frames = probe.num_frames
        if row.kind == "clip" or duration_seconds is None:
            duration_seconds = probe.duration_seconds
        elif abs(probe.duration_seconds - duration_seconds) > (
            _MAX_DURATION_ERROR * duration_seconds
        ):
            flaws = (*flaws, "file and annotation differ in duration by over 5 %")
    if duration_seconds is None:
        raise RowError("duration unknown", "the annotation has none and the file was not probed")
    if row.kind == "clip" and num_frames is None:
        raise RowError("frames unknown", "the annotation has none and the file was not probed")
    if row.kind == "clip" and not _MIN_CLIP_SECONDS <= duration_seconds <= _MAX_CLIP_SECONDS:
        raise RowError("duration out of range", f"{duration_seconds:g} seconds")
    events, event_flaws = within(row.events, duration_seconds)
    return replace(
        row,
        duration_seconds=duration_seconds,
        num_frames=num_frames,
        events=events,
        flaws=(*flaws, *event_flaws),
    )


def _manifest_row(row: SourceRow, path: str, source: str) -> ManifestRow:
    return ManifestRow(
        id=row.id,
        kind=row.kind,
        path=path,
        shard_offset=row.shard_offset,
        num_bytes=row.num_bytes,
        caption=row.caption,
        label=row.label,
        duration_seconds=row.duration_seconds,
        num_frames=row.num_frames,
        events=row.events,
        turns=row.turns,
        time_codec=row.time_codec,
        source=source,
        part=row.part,
    )


def _media_path(root: Path, path: str, row: SourceRow) -> str:
    full = str(root / path)
    if row.shard_offset is None:
        return full
    return shard_path(full, row.shard_offset, row.num_bytes)


def _absent(row: SourceRow, path: str, status: Status, reason: str, detail: str = "") -> Absent:
    return Absent(
        status=status,
        origin=row.origin,
        reason=reason,
        detail=detail,
        path=path,
        part=row.part,
        id=row.id,
    )
