"""Computes the figures of docs/time_representations.md and writes them into its marked regions.

`python packages/timetokens/tools/time_representations_table.py` writes them; with `--check` it
only compares and fails when they are out of date.
"""

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

import timetokens as tt

PAGE = Path(__file__).resolve().parents[3] / "docs" / "time_representations.md"
START_SECONDS, END_SECONDS = 25.0, 61.4
DURATIONS = {"10 s": 10.0, "2 min": 120.0, "1 h": 3600.0}
LONGEST_SEARCHED = 10_000
NUM_FRAMES, SAMPLED_FRAMES = 1800, 96  # the paper's example: one minute at 30 fps, 96 frames

CODECS: dict[str, tuple[tt.Codec, str]] = {
    "`rpt`": (tt.CODECS["rpt"], "Seq2Time"),
    "`seconds`": (tt.CODECS["seconds"], "TimeChat"),
    "`index`": (tt.CODECS["index"], 'Seq2Time "w/o RPT"'),
    "`percent`": (tt.CODECS["percent"], "VTimeLLM"),
    "`bins`": (tt.CODECS["bins"], "LITA"),
    "`Bins(num_bins=301)`": (tt.Bins(num_bins=301), "Grounded-VideoLLM's count"),
    "`absolute_digits`": (tt.CODECS["absolute_digits"], "VTG-LLM"),
}


def span_of(codec: tt.Codec, duration_seconds: float) -> str:
    """The example as the codec writes it."""
    start, end = (
        tt.TimePosition(seconds, duration_seconds) for seconds in (START_SECONDS, END_SECONDS)
    )
    return tt.span_text(start, end, codec)


def num_tokens(text: str, codec: tt.Codec) -> int:
    """Tokens of a span where every digit is a token of its own, as in SmolLM2, Qwen and LLaMA 2.

    A new token is one, so are a digit, a dot and " seconds"; " - " is two.
    """
    new = sum(text.count(token) for token in codec.new_tokens)
    for token in codec.new_tokens:
        text = text.replace(token, "")
    return new + len(re.findall(r"[0-9.]| -| (?=$|[^s-])|seconds", text))


def longest_sequence(codec: tt.Codec) -> str:
    """Up to which length all items of a sequence are written differently.

    By bisection: items come closer as a sequence grows, so once two share a text, two always do.
    """
    shortest, longest = 1, LONGEST_SEARCHED
    if all_differ(codec, longest):
        return "any"
    while longest - shortest > 1:
        middle = (shortest + longest) // 2
        if all_differ(codec, middle):
            shortest = middle
        else:
            longest = middle
    return f"{shortest:,}"


def all_differ(codec: tt.Codec, length: int) -> bool:
    """Whether no two items of a sequence have the same text, and all have one."""
    try:
        texts = {codec.format_point(tt.ItemPosition(k, length)) for k in range(1, length + 1)}
    except tt.CodecError:  # absolute_digits cannot count to 10,000
        return False
    return len(texts) == length


def table() -> str:
    """All codecs, a row each."""
    lines = [
        "| codec | from | 25.0 to 61.4 s of 2 min | new tokens | tokens per span | resolution at "
        f"{' / '.join(DURATIONS)} | largest error at {' / '.join(DURATIONS)} | items told apart |",
        "|---|---|---|--:|--:|---|---|--:|",
    ]
    for name, (codec, system) in CODECS.items():
        text = span_of(codec, 120.0)
        resolution = " / ".join(seconds(codec.resolution(d)) for d in DURATIONS.values())
        error = " / ".join(seconds(codec.max_error(d)) for d in DURATIONS.values())
        shown = text if len(text) < 40 else f"{text.partition(' - ')[0]} - .."
        cells = [
            name,
            system,
            f"`{shown}`",
            str(len(codec.new_tokens)),
            str(num_tokens(text, codec)),
            resolution,
            error,
            longest_sequence(codec),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def seconds(value: float) -> str:
    """Two or three significant digits."""
    return f"{value:.2g} s" if value < 1 else f"{value:.3g} s"


def mean_share(error: Callable[[float], float]) -> tuple[float, float]:
    """Mean and largest error over the frames of the paper's minute, in percent of the video."""
    errors = [abs(error(frame / NUM_FRAMES)) * 100 for frame in range(NUM_FRAMES)]
    return sum(errors) / len(errors), max(errors)


def rounding_error(place: float) -> float:
    """What the four digits lose."""
    return (
        tt.decode_seconds(tt.encode_seconds(place, duration_seconds=1.0), duration_seconds=1.0)
        - place
    )


def sampling_error(place: float) -> float:
    """Distance to the nearest of 96 frames taken at the left ends of 96 equal pieces."""
    return min(abs(place - sampled / SAMPLED_FRAMES) for sampled in range(SAMPLED_FRAMES))


def figures() -> str:
    """Where the paper's figure could come from."""
    digits_mean, digits_max = mean_share(rounding_error)
    frames_mean, frames_max = mean_share(sampling_error)
    return "\n".join(
        [
            "| source of error, one minute at 30 fps | mean | largest |",
            "|---|--:|--:|",
            f"| four digits | {digits_mean:.4f} % | {digits_max:.4f} % |",
            f"| nearest of 96 sampled frames | {frames_mean:.4f} % | {frames_max:.4f} % |",
            "| the paper's figure | 0.13 % | |",
            f"| 1 / (8 x 96), half the mean distance to a frame | {100 / (8 * 96):.4f} % | |",
        ]
    )


REGIONS: dict[str, Callable[[], str]] = {"table": table, "figures": figures}


def with_fresh_regions(page: str) -> str:
    """The page with every marked region computed anew."""
    for name, compute in REGIONS.items():
        begin, end = f"<!-- begin computed {name} -->", f"<!-- end computed {name} -->"
        before, found_begin, rest = page.partition(begin)
        _, found_end, after = rest.partition(end)
        if not (found_begin and found_end):
            raise SystemExit(f"{PAGE}: the marks {begin} and {end} are missing")
        page = f"{before}{begin}\n\n{compute()}\n\n{end}{after}"
    return page


def main() -> None:
    """Writes or checks the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="compare, change nothing")
    options = parser.parse_args()
    page = PAGE.read_text(encoding="utf-8")
    fresh = with_fresh_regions(page)
    if fresh == page:
        return
    if options.check:
        sys.exit(f"{PAGE} is out of date: run {Path(__file__).name} without --check")
    PAGE.write_text(fresh, encoding="utf-8")


if __name__ == "__main__":
    main()
