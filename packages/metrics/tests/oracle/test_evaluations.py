"""Whole evaluations of fresh random predictions against the original programs.

Tokens and METEOR come from the Java programs, CIDEr from pycocoevalcap, and `plain_protocol` puts
them together; vidmetrics gets the same events and has to print the same numbers.
"""

import os
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random

import pytest

import vidmetrics as vm
from vidmetrics.meteor_data import data_path

sys.path.insert(0, str(Path(__file__).parent))
import plain_protocol as plain
from jars import Jars, find_jars, without_punctuation
from random_text import CAPTION_WORDS, line

pytestmark = [pytest.mark.oracle, pytest.mark.timeout(1800)]

SEED = int(os.environ.get("VIDMETRICS_ORACLE_SEED", "0")) or Random().randrange(1, 1 << 32)
NUM_VIDEOS = int(os.environ.get("VIDMETRICS_ORACLE_VIDEOS", "150"))
LINE_BREAKS = "\n\r\x0b\x0c\u2028\u2029"
Events = dict[str, list[plain.Event]]


def random_events(rng: Random) -> tuple[Events, Events]:
    """References and predictions: good, bad, missing, reversed, many, and with odd captions."""
    references: Events = {}
    predictions: Events = {}
    for number in range(NUM_VIDEOS):
        edges = sorted(round(rng.uniform(0, 200), rng.choice((0, 1, 4))) for _ in range(12))
        size = rng.choice((1, 2, 3, 4, 6))
        truth = [(a, b, caption(rng)) for a, b in zip(edges[::2], edges[1::2], strict=True)][:size]
        guesses = []
        for _ in range(rng.choice((0, 1, 1, 2, 4, 6, 9, 12, 15))):
            start, end, text = rng.choice(truth)
            shift = rng.choice((0, 0, 1, 5, 60))
            span = [start + rng.uniform(-shift, shift), end + rng.uniform(-shift, shift)]
            if rng.random() < 0.9:
                span.sort()
            kind = rng.random()
            words = text.split()
            rng.shuffle(words)
            said = text if kind < 0.3 else " ".join(words) if kind < 0.6 else caption(rng)
            guesses.append((*span, said))
        references[f"v{number}"] = truth
        if guesses or rng.random() < 0.5:
            predictions[f"v{number}"] = guesses
    return references, predictions


def caption(rng: Random) -> str:
    """Mostly words, some with whatever a keyboard has."""
    if rng.random() < 0.3:
        return line(rng)
    text = " ".join(rng.choices(CAPTION_WORDS, k=rng.randint(1, 9)))
    if rng.random() < 0.1:
        text = text.replace(" ", rng.choice(LINE_BREAKS))
    return text.capitalize() + "." if rng.random() < 0.5 else text


def tokens_of(jars: Jars, captions: Iterable[str], *, ascii_only: bool) -> dict[str, str]:
    """What the original tokenizer makes of each caption; line breaks in one are spaces."""
    texts = list(dict.fromkeys(captions))
    foreign = "[^\x00-\x7f]" if ascii_only else "\0"
    lines = [re.sub(f"[{LINE_BREAKS}]|{foreign}", " ", text) for text in texts]
    return {
        text: without_punctuation(raw)
        for text, raw in zip(texts, jars.ptb_lines(lines), strict=True)
    }


def tokenized(jars: Jars, events: Events, *, stop: str, ascii_only: bool) -> Events:
    """The events with their captions as token strings."""
    texts = (text + stop for rows in events.values() for *_, text in rows)
    tokens = tokens_of(jars, texts, ascii_only=ascii_only)
    return {
        video: [(start, end, tokens[text + stop]) for start, end, text in rows]
        for video, rows in events.items()
    }


def evaluate_plainly(
    jars: Jars, references: Events, predictions: Events, rules: plain.Rules
) -> dict[str, dict[str, float]]:
    """Scores of each video by the original METEOR and CIDEr."""
    from pycocoevalcap.cider.cider import Cider

    videos = plain.scored(references, predictions, rules)
    # METEOR takes seconds to start, so what it will be asked for is collected first.
    blocks: dict[tuple[plain.Pair, ...], float] = {}
    collector = plain.Scorers(
        meteor=lambda pair: blocks.setdefault((pair,), 0.0),
        meteor_of_block=lambda block: blocks.setdefault(tuple(block), 0.0),
        cider=lambda _: 0.0,
    )
    for both in videos.values():
        plain.of_video(*both, rules, collector)
    pairs = list(dict.fromkeys(pair for block in blocks for pair in block))
    rows = jars.statistics([(hypothesis, [reference]) for hypothesis, reference in pairs])
    statistics = dict(zip(pairs, rows, strict=True))
    scores = jars.scores([[statistics[pair] for pair in block] for block in blocks])
    blocks = {block: of_rows[-1] for block, of_rows in zip(blocks, scores, strict=True)}

    def cider(block: Sequence[plain.Pair]) -> float:
        if not any(reference for _, reference in block):
            return 0.0  # the original stops with an exception where no reference has a word
        gold = {number: [reference] for number, (_, reference) in enumerate(block)}
        said = {number: [prediction] for number, (prediction, _) in enumerate(block)}
        return float(Cider().compute_score(gold, said)[0])

    scorers = plain.Scorers(
        meteor=lambda pair: blocks[(pair,)],
        meteor_of_block=lambda block: blocks[tuple(block)],
        cider=cider,
    )
    return {name: plain.of_video(*both, rules, scorers) for name, both in videos.items()}


@pytest.fixture(scope="module")
def jars() -> Jars:
    """The original programs."""
    found = find_jars()
    if isinstance(found, str):
        pytest.skip(found)
    if not data_path().exists():
        pytest.skip("METEOR's data is not here: vidmetrics fetch meteor-data")
    return found


@pytest.mark.parametrize("name", list(plain.RULES))
def test_whole_evaluations(jars: Jars, name: str) -> None:
    rules, protocol = plain.RULES[name], vm.PROTOCOLS[name]
    references, predictions = random_events(Random(SEED))
    result = vm.evaluate_dense_captions(
        references, predictions, protocol, resampling=vm.Resampling(num_resamples=0)
    )
    ascii_only = protocol.characters == "ascii"
    stop = "." * protocol.full_stop
    expected = evaluate_plainly(
        jars,
        tokenized(jars, references, stop=stop, ascii_only=ascii_only),
        tokenized(jars, predictions, stop="", ascii_only=ascii_only),
        rules,
    )
    assert result.per_video.keys() == expected.keys()
    wrong = [
        (video, score, value, result.per_video[video][score])
        for video, scores in expected.items()
        for score, value in scores.items()
        if abs(value - result.per_video[video][score]) > 1e-9
    ]
    assert not wrong, f"seed {SEED}: {len(wrong)}: {wrong[:5]}"
    for score, value in plain.of_corpus(expected, rules).items():
        assert result.scores[score] == pytest.approx(value, abs=1e-9), f"seed {SEED}, {score}"
