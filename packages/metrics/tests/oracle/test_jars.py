"""Our METEOR and tokenizer against the original Java programs on fresh random input.

Every run draws new input; the seed is in the failure. `VIDMETRICS_ORACLE_SEED` repeats a run, and
`VIDMETRICS_ORACLE_PAIRS` sets how much is drawn.
"""

import importlib.util
import os
import sys
import zipfile
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import pytest

from vidmetrics.meteor import Meteor, score_statistics
from vidmetrics.meteor_compile import compile_tables
from vidmetrics.meteor_data import EXCEPTIONS, JAR, PARAPHRASES, SYNSETS, data_path
from vidmetrics.meteor_normalizer import normalize
from vidmetrics.meteor_tables import Tables, open_tables
from vidmetrics.ptb import raw_tokens
from vidmetrics.stemmer import stem

sys.path.insert(0, str(Path(__file__).parent))
from jars import Jars, find_jars
from random_text import line, pair

pytestmark = [pytest.mark.oracle, pytest.mark.timeout(1800)]

SEED = int(os.environ.get("VIDMETRICS_ORACLE_SEED", "0")) or Random().randrange(1, 1 << 32)
NUM_PAIRS = int(os.environ.get("VIDMETRICS_ORACLE_PAIRS", "5000"))
BLOCK = 50


@pytest.fixture(scope="module")
def jars() -> Jars:
    """The original programs."""
    found = find_jars()
    if isinstance(found, str):
        pytest.skip(found)
    return found


@pytest.fixture(scope="module")
def tables(jars: Jars) -> Tables:
    """All word data: what was fetched, else compiled from what lies beside the jars."""
    if data_path().exists():
        return open_tables(data_path(), verify=True)
    root = jars.folder.parent
    with zipfile.ZipFile(root / JAR) as words, (root / PARAPHRASES).open("rb") as paraphrases:
        return compile_tables(paraphrases, words.read(SYNSETS), words.read(EXCEPTIONS))


@pytest.fixture(scope="module")
def pairs(tables: Tables) -> list[tuple[str, str]]:
    """Pairs of captions full of paraphrases of each other."""
    rng = Random(SEED)
    text = tables.table_text.tobytes()
    words = [text[start:end].decode() for start, end in pairwise(tables.table_starts)]
    phrases: list[tuple[str, str]] = []
    for left in rng.sample(range(len(tables.entry_starts)), 3000):
        first = int(np.searchsorted(tables.first_words, left, side="right")) - 1
        rest = tables.left_words[tables.left_starts[left] : tables.left_starts[left + 1]]
        entry, place = int(tables.entry_starts[left]), int(tables.right_starts[left])
        for length in tables.right_lengths[entry : entry + int(tables.entry_counts[left])]:
            right = tables.right_words[place : place + int(length)]
            place += int(length)
            one = " ".join(words[word] for word in [first, *rest])
            phrases.append((one, " ".join(words[word] for word in right)))
    return [pair(rng, phrases) for _ in range(NUM_PAIRS)]


def test_statistics_and_scores(jars: Jars, tables: Tables, pairs: list[tuple[str, str]]) -> None:
    printed = jars.statistics([(caption, [reference]) for caption, reference in pairs])
    theirs = np.array([[float(number) for number in row.split()] for row in printed])
    backends = ["python"] + ["native"] * (importlib.util.find_spec("seqnative") is not None)
    for backend in backends:
        meteor = Meteor(tables, backend)  # type: ignore[arg-type]
        ours = meteor.pair_statistics([r for _, r in pairs], [p for p, _ in pairs])
        wrong = np.flatnonzero((ours != theirs).any(axis=1))
        shown = [(pairs[k], printed[k], ours[k].tolist()) for k in wrong[:3]]
        assert not len(wrong), f"seed {SEED}, {backend}: {len(wrong)} of {len(pairs)}: {shown}"
    blocks = [printed[k : k + BLOCK] for k in range(0, len(printed), BLOCK)]
    for number, scores in enumerate(jars.scores(blocks)):
        rows = ours[BLOCK * number : BLOCK * (number + 1)]
        assert score_statistics(rows).tolist() == scores[:-1], f"seed {SEED}, block {number}"
        assert meteor.corpus_score(rows) == scores[-1], f"seed {SEED}, block {number}"


def test_tokens(jars: Jars) -> None:
    rng = Random(SEED)
    lines = [line(rng) for _ in range(NUM_PAIRS)]
    theirs = jars.ptb_lines(lines)
    wrong = [
        (text, printed, " ".join(tokens))
        for text, printed, tokens in zip(lines, theirs, raw_tokens(lines), strict=True)
        if printed.rstrip(" ") != " ".join(tokens)
    ]
    assert not wrong, f"seed {SEED}: {len(wrong)} of {len(lines)}: {wrong[:5]}"


def test_normalized_words(jars: Jars) -> None:
    rng = Random(SEED)
    lines = [line(rng) for _ in range(NUM_PAIRS)]
    wrong = [
        (text, theirs, normalize(text))
        for text, theirs in zip(lines, jars.normalized(lines), strict=True)
        if theirs.lower().split(" ") != (normalize(text) or [""])
    ]
    assert not wrong, f"seed {SEED}: {len(wrong)} of {len(lines)}: {wrong[:5]}"


def test_stems(jars: Jars, tables: Tables) -> None:
    text = tables.synonym_text.tobytes()
    starts = tables.synonym_starts
    rng = Random(SEED)
    endings = ["", "s", "es", "ed", "ing", "ly", "edly", "'s", "ness", "ation", "ies", "ement"]
    words = sorted({text[a:b].decode() + rng.choice(endings) for a, b in pairwise(starts)})
    theirs = jars.stems(words)
    wrong = [(w, t, stem(w)) for w, t in zip(words, theirs, strict=True) if t != stem(w)]
    assert not wrong, f"seed {SEED}: {len(wrong)} of {len(words)}: {wrong[:5]}"
