"""Corpora as people have them on disk: a module a format, each a stream of the rows it lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from seqsynth.naming import known_name
from seqsynth.sources import (
    activitynet_captions,
    charades_sta,
    clip_folder,
    clip_table,
    coco_captions,
    embedded_default,
    image_folder,
    image_table,
    image_tar,
    kinetics,
    llava_recap,
    qvhighlights,
    sharegpt4video,
    timeit,
    timelens_100k,
    valley,
    vtg_it,
    youcook2,
)
from seqsynth.sources.files import find_annotations
from seqsynth.sources.rows import BadRow, Entry, RowError, SourceRow

__all__ = ["SOURCES", "BadRow", "Entry", "RowError", "Source", "SourceRow", "source_rows"]

Rows = Callable[[Path, Sequence[Path]], Iterator[Entry]]


@dataclass(frozen=True, slots=True)
class Source:
    """One format.

    Attributes:
        rows: (root, annotations) to what the annotations list, in their order.
        patterns: where annotations lie below the root; none: it reads the folder itself.
        holds: what it is, for the help.
        holds_media: the annotations hold the media, so several may share a name.
        other_patterns: where annotations lie when no pattern has any.
    """

    rows: Rows
    patterns: tuple[str, ...]
    holds: str
    holds_media: bool = False
    other_patterns: tuple[str, ...] = ()


SOURCES: dict[str, Source] = {
    "llava_recap": Source(
        llava_recap.rows,
        llava_recap.PATTERNS,
        "LLaVA-ReCap parquet: 118K, 558K, CC3M",
        holds_media=True,
    ),
    "image_folder": Source(
        image_folder.rows, image_folder.PATTERNS, "pictures with captions in .txt files"
    ),
    "image_table": Source(
        image_table.rows,
        image_table.PATTERNS,
        "pictures that a CSV, JSONL or JSON file lists",
        other_patterns=image_table.OTHER_PATTERNS,
    ),
    "coco_captions": Source(
        coco_captions.rows, coco_captions.PATTERNS, "pictures with captions in COCO's JSON"
    ),
    "image_tar": Source(
        image_tar.rows, image_tar.PATTERNS, "pictures in webdataset tars", holds_media=True
    ),
    "kinetics": Source(kinetics.rows, kinetics.PATTERNS, "Kinetics-400, -600, -700"),
    "clip_folder": Source(
        clip_folder.rows, clip_folder.PATTERNS, "clips in folders of their labels"
    ),
    "clip_table": Source(
        clip_table.rows,
        clip_table.PATTERNS,
        "clips that a CSV, JSONL or JSON file lists",
        other_patterns=clip_table.OTHER_PATTERNS,
    ),
    "timeit": Source(timeit.rows, timeit.PATTERNS, "TimeIT"),
    "vtg_it": Source(vtg_it.rows, vtg_it.PATTERNS, "VTG-IT"),
    "valley": Source(valley.rows, valley.PATTERNS, "Valley-Instruct"),
    "sharegpt4video": Source(sharegpt4video.rows, sharegpt4video.PATTERNS, "ShareGPT4Video"),
    "youcook2": Source(youcook2.rows, youcook2.PATTERNS, "YouCook2"),
    "charades_sta": Source(charades_sta.rows, charades_sta.PATTERNS, "Charades-STA"),
    "activitynet_captions": Source(
        activitynet_captions.rows, activitynet_captions.PATTERNS, "ActivityNet Captions"
    ),
    "qvhighlights": Source(qvhighlights.rows, qvhighlights.PATTERNS, "QVHighlights"),
    "timelens_100k": Source(timelens_100k.rows, timelens_100k.PATTERNS, "TimeLens-100K"),
    "default": Source(
        embedded_default.rows, embedded_default.PATTERNS, "the embedded default, fetched"
    ),
}


def source_rows(
    name: str, root: str | Path, annotations: Sequence[str | Path] = ()
) -> Iterator[Entry]:
    """What a source lists, in its order, read as it is asked for.

    Args:
        name: a key of `SOURCES`.
        root: the folder that paths of media are relative to.
        annotations: the files to read; none: those below the root that have the usual names.

    Raises:
        FileNotFoundError: no such folder or file.
        ValueError: an unknown source, a file that is not of its form, two files of one name.
    """
    source = SOURCES[known_name("source", name, SOURCES)]
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is no folder")
    paths = tuple(Path(path) for path in annotations)
    if paths and not source.patterns:
        raise ValueError(f"{name} has no annotations to name, it reads the folder itself")
    absent = [str(path) for path in paths if not path.is_file()]
    if absent:
        raise FileNotFoundError(f"{', '.join(absent)}: no such file")
    if source.patterns and not paths:
        paths = find_annotations(root, source.patterns, source.other_patterns)
    names = [path.name for path in paths]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice and not source.holds_media:
        raise ValueError(
            f"two annotations are called {twice[0]}, and rows are named after their file; "
            "read them one by one, or rename one"
        )
    return source.rows(root, paths)
