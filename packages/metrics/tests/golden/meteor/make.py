"""Write `own_pairs.json.gz`: what the original METEOR says of random captions and our own words.

    python make.py

needs Java and an installed pycocoevalcap 1.2, of which only the jar is run.
"""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
from pathlib import Path
from random import Random

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent / "oracle"))
import own_words  # noqa: E402
from jars import Jars, find_jars  # noqa: E402
from random_text import pair  # noqa: E402

NUM_CASES = 2000
BLOCK = 50


def main() -> None:
    """Draw the captions, run the original, write."""
    jars = find_jars()
    if not isinstance(jars, Jars):
        raise SystemExit(jars)
    rng = Random(1)
    phrases = own_words.phrases()
    cases = []
    for _ in range(NUM_CASES):
        caption, reference = pair(rng, phrases)
        others = [pair(rng, phrases)[1] for _ in range(rng.choice((0, 0, 0, 1, 4)))]
        cases.append((caption, [reference, *others]))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = own_words.sources()
        (folder / "paraphrase.gz").write_bytes(sources["paraphrases"])
        (folder / "english.synsets").write_bytes(sources["synsets"])
        (folder / "english.exceptions").write_bytes(sources["exceptions"])
        statistics = jars.statistics(cases, folder)
        blocks = [statistics[k : k + BLOCK] for k in range(0, NUM_CASES, BLOCK)]
        scores = jars.scores(blocks, folder)
    content = {
        "block_size": BLOCK,
        "block_corpus_scores": [of_block[-1] for of_block in scores],
        "cases": [
            {"hyp": caption, "refs": references, "stats": row.replace(".0", ""), "score": score}
            for (caption, references), row, score in zip(
                cases, statistics, (s for of_block in scores for s in of_block[:-1]), strict=True
            )
        ],
    }
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
    (HERE / "own_pairs.json.gz").write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    main()
