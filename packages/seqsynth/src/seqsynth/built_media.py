"""Where pictures of built examples lie: paths are relative to the corpus that they came from.

The manifest of a build names that corpus: an absolute path as it was typed, any other as seen from
the folder of the build. So its pictures are found from every working directory, also when
both have moved together, and the same build has the same bytes wherever it is made.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seqsynth.build import FORMAT_VERSION, MANIFEST_NAME
from seqsynth.fetch import default_dir
from seqsynth.manifest_corpus import open_corpus
from seqsynth.parsing import parsed_json

_WAY_OUT = "build it again, or name the folder of its media with --media-root"


def corpus_facts(out_dir: Path, manifests: Sequence[Path], root: Path | None) -> dict[str, Any]:
    """What the manifest of a build in `out_dir` says of its corpus; nothing of the default."""
    if not manifests:
        return {}
    return {
        "manifests": [_seen_from(out_dir, path) for path in manifests],
        "root": _seen_from(out_dir, root) if root else None,
    }


def media_root_of(examples: str | Path, cache_dir: str | Path | None = None) -> Path:
    """Where paths of built examples start, as the build that lies beside them says.

    Args:
        examples: a file that `seqsynth build` wrote, or any other: then nothing says it.
        cache_dir: see `default_dir`; there lie the media of what was not built from manifests.

    Raises:
        ValueError: the manifest of the build is damaged or of another version (names it).
    """
    return named_media_root(examples) or default_dir(cache_dir)


def named_media_root(examples: str | Path) -> Path | None:
    """Where the build beside a file of examples says that their paths start.

    None where no build lies there, one of the default, or one whose corpus has gone.

    Raises:
        ValueError: as `media_root_of`.
    """
    folder = Path(examples).parent.resolve()
    names, root = _corpus_of(folder / MANIFEST_NAME)
    manifests = [folder / name for name in names]
    if root:
        return (folder / root).resolve()
    if manifests and all(path.is_file() for path in manifests):
        return Path(open_corpus(manifests).root)
    return None


def _seen_from(folder: Path, path: Path) -> str:
    if path.is_absolute():
        return str(path)
    # Of a path that is a link itself the name is kept: what it points to may change.
    whole = path.parent.resolve() / path.name
    try:
        return Path(os.path.relpath(whole, folder.resolve())).as_posix()
    except ValueError:  # on another drive of Windows
        return str(whole)


def _corpus_of(path: Path) -> tuple[list[str], str]:
    """Manifests and root that the manifest of a build names; nothing where there is none."""
    try:
        record = parsed_json(path.read_bytes())
    except FileNotFoundError:
        return [], ""
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}): {_WAY_OUT}") from None
    if not isinstance(record, dict) or "fingerprint" not in record:
        return [], ""  # a manifest of something else
    if record.get("format_version") != FORMAT_VERSION:
        raise ValueError(
            f"{path} has format {record.get('format_version')}, this version reads "
            f"{FORMAT_VERSION}: {_WAY_OUT}"
        )
    names, root = record.get("manifests") or [], record.get("root") or ""
    if not isinstance(names, list) or not all(isinstance(name, str) for name in [*names, root]):
        raise ValueError(f"{path} is damaged (manifests or root is no path): {_WAY_OUT}")
    return names, root
