"""Where pictures of built examples lie: paths are relative to the corpus that they came from.

The manifest of a build names that corpus: an absolute path as it was typed, any other as seen from
the folder of the build. So its pictures are found from every working directory, also when
both have moved together, and the same build has the same bytes wherever it is made.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seqsynth.build import MANIFEST_NAME
from seqsynth.fetch import default_dir
from seqsynth.manifest_corpus import open_corpus


def corpus_facts(out_dir: Path, manifests: Sequence[Path], root: Path | None) -> dict[str, Any]:
    """What the manifest of a build in `out_dir` says of its corpus; nothing of the default."""
    if not manifests:
        return {}
    return {
        "manifests": [_seen_from(out_dir, path) for path in manifests],
        "root": _seen_from(out_dir, root) if root else None,
    }


def media_root_of(examples: Path, cache_dir: Path | None) -> Path:
    """Where paths of built examples start, as the build that lies beside them says.

    Args:
        examples: a file that `seqsynth build` wrote.
        cache_dir: see `default_dir`; there lie the media of what was not built from manifests.
    """
    folder = examples.parent.resolve()
    facts = _facts(folder / MANIFEST_NAME)
    manifests = [folder / name for name in facts.get("manifests") or ()]
    if facts.get("root"):
        return (folder / str(facts["root"])).resolve()
    if manifests and all(path.is_file() for path in manifests):
        return Path(open_corpus(manifests).root)
    return default_dir(cache_dir)


def _seen_from(folder: Path, path: Path) -> str:
    if path.is_absolute():
        return str(path)
    # Of a path that is a link itself the name is kept: what it points to may change.
    whole = path.parent.resolve() / path.name
    try:
        return Path(os.path.relpath(whole, folder.resolve())).as_posix()
    except ValueError:  # on another drive of Windows
        return str(whole)


def _facts(path: Path) -> Mapping[str, Any]:
    """The manifest of a build; nothing where there is none that can be read."""
    try:
        facts = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}
