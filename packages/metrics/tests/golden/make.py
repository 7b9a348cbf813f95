"""Ask the original programs anew for what the files here expect of them.

    python make.py            # writes the files that would change
    python make.py --check    # only names them, and fails if there are any

needs Java and an installed pycocoevalcap 1.2. The captions stay what they are: those of `own_pairs`
are drawn here, those of the others were invented once and stand in the files. `make_timechat.py`
does the same for the files that a checkout of TimeChat answers for.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "oracle"))
import own_words  # noqa: E402
from jars import Jars, find_jars, without_punctuation  # noqa: E402
from random_text import pair  # noqa: E402

NUM_CASES = 2000
BLOCK = 50
Content = dict[str, Any]


def own_pairs(jars: Jars, _: Content) -> Content:
    """METEOR of random captions, with our own small word data in the place of its own."""
    rng = Random(1)
    phrases = own_words.phrases()
    cases = []
    for _number in range(NUM_CASES):
        caption, reference = pair(rng, phrases)
        others = [pair(rng, phrases)[1] for _other in range(rng.choice((0, 0, 0, 1, 4)))]
        cases.append({"hyp": caption, "refs": [reference, *others]})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = own_words.sources()
        (folder / "paraphrase.gz").write_bytes(sources["paraphrases"])
        (folder / "english.synsets").write_bytes(sources["synsets"])
        (folder / "english.exceptions").write_bytes(sources["exceptions"])
        return meteor(jars, cases, folder)


def full_data_pairs(jars: Jars, old: Content) -> Content:
    """METEOR of the captions in the file, with its own word data."""
    return old | meteor(jars, old["cases"], None)


def meteor(jars: Jars, cases: list[Content], words: Path | None) -> Content:
    """The cases with statistics and score, and the score of the sum of each 50 of them."""
    printed = jars.statistics([(case["hyp"], case["refs"]) for case in cases], words)
    blocks = [printed[k : k + BLOCK] for k in range(0, len(printed), BLOCK)]
    scores = jars.scores(blocks, words)
    return {
        "block_size": BLOCK,
        "block_corpus_scores": [of_block[-1] for of_block in scores],
        "cases": [
            {
                "hyp": case["hyp"],
                "refs": case["refs"],
                "stats": row.replace(".0", ""),
                "score": score,
            }
            for case, row, score in zip(
                cases, printed, (s for of_block in scores for s in of_block[:-1]), strict=True
            )
        ],
    }


def ptb_tokenizer(jars: Jars, old: Content) -> Content:
    """What the tokenizer prints for the captions in the file, one run in their order."""
    lines = jars.ptb_lines([case["in"] for case in old["cases"]])
    cases = [
        case | {"raw": line, "tokens": without_punctuation(line)}
        for case, line in zip(old["cases"], lines, strict=True)
    ]
    return old | {"cases": cases}


def cider(_: Jars, old: Any) -> Any:
    """CIDEr-D of the corpora in the file."""
    from pycocoevalcap.cider.cider import Cider

    made = []
    for case in old:
        gold = dict(enumerate(case["references"]))
        said = {number: [text] for number, text in enumerate(case["hypotheses"])}
        score, scores = Cider().compute_score(gold, said)
        made.append(case | {"scores": list(map(float, scores)), "score": float(score)})
    return made


def text_stats(jars: Jars, old: Content) -> Content:
    """Length and variety of the predictions in `dense_*.json`, counted without vidmetrics."""
    return {name: counted(jars, f"dense_{name.removeprefix('dvc_')}.json") for name in old}


def counted(jars: Jars, name: str) -> dict[str, float]:
    """What `text_stats` says of one file."""
    predictions = json.loads((HERE / name).read_text(encoding="utf-8"))["predictions"]
    lines = iter(jars.ptb_lines([event[2] for video in predictions.values() for event in video]))
    videos = [
        [without_punctuation(next(lines)).split() for _ in video] for video in predictions.values()
    ]
    pooled = [[word for caption in video for word in caption] for video in videos]
    captions = sum(map(len, videos))
    words = [word for video in pooled for word in video]
    return {
        "n_captions": captions,
        "L_avg": len(words) / captions,
        "TTR_per_video_mean": mean([len(set(video)) / len(video) for video in pooled if video]),
        "TTR_corpus": len(set(words)) / len(words),
    }


def mean(numbers: list[float]) -> float:
    """Their mean."""
    return sum(numbers) / len(numbers)


FILES: dict[str, Callable[[Jars, Any], Any]] = {
    "meteor/own_pairs.json.gz": own_pairs,
    "meteor/full_data_pairs.json.gz": full_data_pairs,
    "ptb_tokenizer.json.gz": ptb_tokenizer,
    "cider.json": cider,
    "text_stats.json": text_stats,
}


def read(name: str) -> Any:
    """The content of a golden file."""
    content = (HERE / name).read_bytes()
    return json.loads(gzip.decompress(content) if name.endswith(".gz") else content)


def write(name: str, content: Any) -> None:
    """The content as a golden file; the same content gives the same bytes."""
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
    (HERE / name).write_bytes(gzip.compress(text, mtime=0) if name.endswith(".gz") else text)


def make_all(names: Iterable[str], make: Callable[[str, Any], Any], *, check: bool) -> int:
    """Make each file anew, write or only name those that change; how many they are."""
    changed = 0
    for name in names:
        old = read(name)
        new = make(name, old)
        sys.stdout.write(f"{name}: {'as it was' if new == old else 'not as it was'}\n")
        sys.stdout.flush()
        if new != old:
            changed += 1
            if not check:
                write(name, new)
    return changed


def main() -> int:
    """Run the originals."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])  # type: ignore[union-attr]
    parser.add_argument("--check", action="store_true", help="write nothing, fail on a change")
    parser.add_argument("files", nargs="*", help=f"of {', '.join(FILES)}; default: all")
    arguments = parser.parse_args()
    unknown = set(arguments.files) - set(FILES)
    if unknown:
        parser.error(f"not a file that is made here: {', '.join(sorted(unknown))}")
    jars = find_jars()
    if not isinstance(jars, Jars):
        raise SystemExit(f"{jars}: nothing was made anew")
    changed = make_all(
        arguments.files or FILES, lambda name, old: FILES[name](jars, old), check=arguments.check
    )
    return int(changed > 0 and arguments.check)


if __name__ == "__main__":
    sys.exit(main())
