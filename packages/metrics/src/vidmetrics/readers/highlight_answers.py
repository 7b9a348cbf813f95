"""TimeChat's answers about highlights as saliency of clips, slips included.

Two ways of answering are read: all times in front of the word "score" and all scores behind it, or
one highlight a line. So read the published numbers; a "th" becomes a blank, a clock time is passed
over, and scores are digits like "1.7". A time in the half clip that a video may end with stops the
original with an exception; here it is passed over.
"""

from __future__ import annotations

import re

from vidmetrics.highlights import CLIP_SECONDS

_SCORE = re.compile(r"\b\d\.\d\b")
_LISTED_TIME = re.compile(r"[-+]?\d*\.\d+|\d+")
_TIME = re.compile(r"\b\d{1,2}:\d{2}:\d{2}\b|\b(\d+\.\d+\b|\b\d+)\b")
_COUNT = re.compile(r"There are (\d{1,9}) highlight moments")
_NO_LIMIT = 100  # times and scores a line, where it does not say how many highlights there are
_FIRST_SECONDS = 10.0  # smaller numbers in a line are taken for its number in a list


def clip_scores_in_text(text: str, *, duration_seconds: float) -> tuple[list[float], bool]:
    """The saliency of every clip of 2 seconds that an answer names.

    Args:
        text: the answer.
        duration_seconds: of the video; times behind it are passed over.

    Returns:
        For each clip the mean of the scores at its times, 0 where there are none; and whether two
        highlights at least could be read, which the original wants before it counts an answer.
    """
    times, scores = _times_and_scores(text.replace("th", " "))
    is_read = len(times) > 1
    if is_read:
        scores = (scores + [0.0] * len(times))[: len(times)]
    of_clip: list[list[float]] = [[] for _ in range(int(duration_seconds / CLIP_SECONDS))]
    for seconds, score in zip(times, scores, strict=False):
        if seconds > duration_seconds:  # first: a text may say a number that is infinite as float
            continue
        clip = max(0, int((seconds - 1.0) / CLIP_SECONDS))
        if clip < len(of_clip):
            of_clip[clip].append(score)
    return [sum(here) / len(here) if here else 0.0 for here in of_clip], is_read


def _times_and_scores(text: str) -> tuple[list[float], list[float]]:
    num_seconds, num_scores = text.count("second"), text.count("score")
    if not num_seconds or not num_scores:
        return [], []
    return _lists(text) if num_seconds < 3 and num_scores < 3 else _lines(text)


def _lists(text: str) -> tuple[list[float], list[float]]:
    times: list[float] = []
    scores: list[float] = []
    for line in text.split("\n"):
        if "second" not in line and "score" not in line:
            continue
        count = _COUNT.search(line)
        rest = line.replace(count[0], "") if count else line
        before, *behind = rest.split("score")
        limit = int(count[1]) if count else _NO_LIMIT
        times += map(float, _LISTED_TIME.findall(before)[:limit])
        scores += map(float, _SCORE.findall(behind[0] if behind else rest)[:limit])
    return times, scores


def _lines(text: str) -> tuple[list[float], list[float]]:
    times: list[float] = []
    scores: list[float] = []
    for line in text.split("\n"):
        if not any(word in line for word in ("second", "score", ":")):
            continue
        scores += map(float, _SCORE.findall(line)[-1:])
        numbers = [float(number) for number in _TIME.findall(line) if number]
        times += [number for number in numbers if number > _FIRST_SECONDS][-1:]
    return times, scores
