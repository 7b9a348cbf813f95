"""The word data of `golden/meteor/own_words.toml` in the formats of METEOR's files."""

from __future__ import annotations

import gzip
import tomllib
from pathlib import Path

WORDS = Path(__file__).parent.parent / "golden" / "meteor" / "own_words.toml"


def phrases() -> list[tuple[str, str]]:
    """(phrase, paraphrase), in the order of the table."""
    table = tomllib.loads(WORDS.read_text(encoding="utf-8"))["paraphrases"]
    return [(left, right) for left, rights in table.items() for right in rights]


def sources() -> dict[str, bytes]:
    """The paraphrase table (gzip), the synonym dictionary and the irregular forms."""
    content = tomllib.loads(WORDS.read_text(encoding="utf-8"))
    entries = "".join(f"0.5\n{left}\n{right}\n" for left, right in phrases())
    synsets = (f"{word}\n{' '.join(map(str, sets))}\n" for word, sets in content["synsets"].items())
    forms = (f"{base}\n{' '.join(forms)}\n" for base, forms in content["irregular"].items())
    return {
        "paraphrases": gzip.compress(entries.encode(), mtime=0),
        "synsets": "".join(synsets).encode(),
        "exceptions": "".join(forms).encode(),
    }
