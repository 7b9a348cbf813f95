"""Where pictures of built examples lie: paths are relative to the corpus that they came from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seqsynth.build import MANIFEST_NAME
from seqsynth.fetch import default_dir
from seqsynth.manifest_corpus import open_corpus


def corpus_facts(manifests: Sequence[Path], root: Path | None) -> dict[str, Any]:
    """What the manifest of a build says of its corpus, as it was typed; nothing of the default."""
    if not manifests:
        return {}
    return {"manifests": [str(path) for path in manifests], "root": str(root) if root else None}


def media_root_of(examples: Path, cache_dir: Path | None) -> Path:
    """Where paths of built examples start, as the build that lies beside them says.

    Args:
        examples: a file that `seqsynth build` wrote.
        cache_dir: see `default_dir`; there lie the media of what was not built from manifests.
    """
    facts = _facts(examples.parent / MANIFEST_NAME)
    manifests = [Path(name) for name in facts.get("manifests") or ()]
    if facts.get("root"):
        return Path(facts["root"])
    if manifests and all(path.is_file() for path in manifests):
        return Path(open_corpus(manifests).root)
    return default_dir(cache_dir)


def _facts(path: Path) -> Mapping[str, Any]:
    """The manifest of a build; nothing where there is none that can be read."""
    try:
        facts = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}
