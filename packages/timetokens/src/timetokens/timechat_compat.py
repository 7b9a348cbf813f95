"""What TimeChat's own scripts read out of an answer, slips included.

For numbers that must compare with published ones: `parse_events(..., compat="timechat")`. Captions
up to five characters are dropped before they are matched to their times, a span's text is cut out
wherever else it occurs, a lone time becomes 40 seconds around it, and the last way of reading gives
one event only. Where the original stops with an exception, this reads nothing.

The cost is the text length times the number of different spans, as in the original.
"""

import re
from typing import Final

# A number as the scripts see it: "9", "9.", "9.1", "9..1". Possessive, so that a long row of digits
# is read once; nothing that may follow could be reached by giving digits back.
_NUMBER: Final = r"\d++\.*+\d*+"
_PAIR: Final = re.compile(rf"(?<!\d)({_NUMBER})\s*+-\s*+({_NUMBER})")
_CLOCK: Final = re.compile(rf"(?<!\d){_NUMBER}:{_NUMBER}")
_LOOSE_NUMBER: Final = re.compile(r"\d+\.*\d*(?!\.)")
_WHOLE_NUMBER: Final = re.compile(r"\b(?:\d+\.\d+\b|\b\d+)\b")

LONE_TIME_RADIUS_SECONDS: Final = 20


def dense_captions(text: str) -> tuple[list[tuple[float, float]], list[str]]:
    """Times and captions, equally many, in the order of the text."""
    lowered = text.lower()
    for read in (_read_pairs, _read_labels, _read_start_end):
        spans, captions = read(lowered)
        if spans:
            break
    kept = [caption.strip().strip(", ").rstrip() for caption in captions if len(caption) > 5]
    number = min(len(spans), len(kept))
    if number:
        return spans[:number], kept[:number]
    return _read_first_sentence(text)


def grounding(text: str) -> list[tuple[float, float]]:
    """The first span of an answer, start before end; empty if there is none."""
    lowered = text.lower()
    spans, _ = _read_pairs(lowered)
    if not spans:
        times = []
        for sentence in re.split(r"[!?\n]", lowered):
            number = _WHOLE_NUMBER.search(sentence)
            if number and any(word in sentence for word in ("start", "end", "happen")):
                times.append(float(number[0]))
        spans = list(zip(times[0::2], times[1::2], strict=False))
    return [(min(span), max(span)) for span in spans[:1]]


def _read_pairs(text: str) -> tuple[list[tuple[float, float]], list[str]]:
    """Every "a - b" with the text around it, which may be one piece longer than the spans."""
    matches = list(_PAIR.finditer(text))
    try:
        spans = [(float(match[1]), float(match[2])) for match in matches]
    except ValueError:  # "1..2": the scripts stop here
        return [], []
    rest = text
    for written in dict.fromkeys(match[0] for match in matches):
        rest = rest.replace(written, "\n")
    return spans, rest.replace("seconds", "").split("\n")


def _read_labels(text: str) -> tuple[list[tuple[float, float]], list[str]]:
    """Lines "Start time: a", "End time: b", "Description: caption"."""
    starts = re.findall(rf"start(?:ing)? time: ({_NUMBER})", text)
    ends = re.findall(rf"end(?:ing)? time: ({_NUMBER})", text)
    captions = re.findall(r"description: (.*)", text) or re.findall(r"\*\s*(.*)", text)
    try:
        spans = [(float(start), float(end)) for start, end in zip(starts, ends, strict=False)]
    except ValueError:
        return [], []
    return spans, captions


def _read_start_end(text: str) -> tuple[list[tuple[float, float]], list[str]]:
    """Times written as "start time a, end time b"."""
    matches = list(re.finditer(rf"start time ({_NUMBER}), end time ({_NUMBER})", text))
    spans = []
    for match in matches:
        try:
            spans.append((float(match[1]), float(match[2])))
        except ValueError:  # "5..", which the scripts pass on as text
            break
    for written in dict.fromkeys(match[0] for match in matches):
        text = text.replace(written, "\n")
    return spans, text.split("\n")


def _read_first_sentence(text: str) -> tuple[list[tuple[float, float]], list[str]]:
    """The first line (sentence, in a text of one line) with a time of any form."""
    if "\n" in text:
        sentences = [line for line in text.split("\n") if len(line) > 7]
    else:
        sentences = [f"{part}." for part in text.split(".") if len(part) > 7]
    for sentence in sentences:
        parts = [part.strip(",") for part in sentence.split("seconds")]
        try:
            span = _loose_span(parts[0])
        except (ValueError, OverflowError):  # what the scripts cannot convert either: they go on
            continue
        if span is not None:
            return [span], [parts[-1].strip()]
    return [], []


def _loose_span(text: str) -> tuple[float, float] | None:
    """A span out of "a - b", one or two clock readings, or one or two numbers."""
    pair = _PAIR.search(text)
    if pair:
        return round(float(pair[1]), 2), round(float(pair[2]), 2)
    num_colons = text.count(":")
    if num_colons in (1, 2):
        clocks = [_clock_seconds(written) for written in _CLOCK.findall(text)]
        if len(clocks) != num_colons:
            raise ValueError(f"{num_colons} colons, but {len(clocks)} clock readings: {text!r}")
        start, end = clocks[0], clocks[-1]
        return _around(start) if num_colons == 1 else (float(start), float(end))
    numbers = [float(written) for written in _LOOSE_NUMBER.findall(text)]
    if len(numbers) == 1:
        return _around(numbers[0])
    return (round(numbers[0], 2), round(numbers[1], 2)) if len(numbers) == 2 else None


def _around(seconds: float) -> tuple[float, float]:
    """40 seconds around a time, or from it on near the start of the video."""
    radius = LONE_TIME_RADIUS_SECONDS
    if seconds > radius:
        return round(seconds - radius, 2), round(seconds + radius, 2)
    return round(float(seconds), 2), round(seconds + 2 * radius, 2)


def _clock_seconds(text: str) -> int:
    minutes, seconds = text.split(":")[:2]
    return int(minutes) * 60 + int(seconds)
