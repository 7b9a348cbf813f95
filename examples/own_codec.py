"""A time representation of your own, trained with and predicted with: here clocks such as `1:05`.

    python examples/own_codec.py train smoke --model.codec clock --out run
    python examples/own_codec.py ground VIDEO "a red ball" --run run

This file is the command `vidllm` that knows one codec more; so is any file that adds to
`timetokens.CODECS` before it calls `vidllm.cli.main`. What the members of a codec mean:
docs/time_representations.md.
"""

import sys
from dataclasses import dataclass

import timetokens as tt
from vidllm.cli import main


@dataclass(frozen=True, slots=True)
class Clock(tt.Codec):
    """Minutes and seconds as plain text; item 7 of a sequence is `0:07`."""

    name: str = "clock"
    time_unit: str = ""
    is_relative: bool = False
    slots: tuple[tuple[str, ...], ...] = ()
    new_token_texts = {}  # noqa: RUF012 a property of the base
    spelling = tt.Spelling(point=r"[0-9]{1,3}:[0-5][0-9]")

    def format_point(self, position):
        """The text of a position."""
        minutes, seconds = divmod(round(position.seconds), 60)
        return f"{minutes}:{seconds:02d}"

    def seconds_of(self, text, *, duration_seconds):
        """The time that such a text names."""
        minutes, seconds = text.split(":")
        return 60.0 * int(minutes) + int(seconds)

    def resolution(self, duration_seconds):
        """Neighbouring clocks are a second apart."""
        return 1.0


tt.CODECS["clock"] = Clock()  # above the guard: processes that prepare batches import this file

if __name__ == "__main__":
    sys.exit(main())
