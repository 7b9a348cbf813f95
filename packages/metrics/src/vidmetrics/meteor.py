"""METEOR 1.5 (`-l en -norm`), bit for bit, without Java.

`load_meteor` gives a `Meteor`, the only thing other modules need. Strings go in as the caption
scorers pass them: the output of `vidmetrics.ptb.tokenize`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

MeteorMode = Literal["auto", "full", "noparaphrase"]
Statistics = NDArray[np.int64]

STATISTICS: tuple[str, ...] = (
    "hypothesis_words",
    "reference_words",
    "hypothesis_function_words",
    "reference_function_words",
    *(
        f"{module}_{side}_{kind}"
        for module in ("exact", "stem", "synonym", "paraphrase")
        for kind, side in (
            ("content", "hypothesis"),
            ("content", "reference"),
            ("function", "hypothesis"),
            ("function", "reference"),
        )
    ),
    "chunks",
    "hypothesis_matched_words",
    "reference_matched_words",
)


class Meteor:
    """Scores pairs of captions; holds the word data and a cache of prepared sentences.

    Attributes:
        label: what to print in a signature: `"meteor:1.5"` with all data, else
            `"meteor:1.5-noparaphrase..."`, which names every part that is missing.
        backend: `"native"` or `"python"`; the numbers are the same.
    """

    label: str
    backend: str

    def pair_statistics(self, hypotheses: Sequence[str], references: Sequence[str]) -> Statistics:
        """The 23 statistics of each pair `(hypotheses[k], references[k])`.

        Returns:
            (n, 23) int64, columns as in `STATISTICS`.

        Raises:
            ValueError: the two sequences differ in length.
        """
        raise NotImplementedError

    def statistics_matrix(
        self, hypotheses: Sequence[str], references: Sequence[str]
    ) -> Statistics:
        """(n, m, 23) int64: the statistics of every hypothesis with every reference."""
        raise NotImplementedError

    def score_matrix(
        self, hypotheses: Sequence[str], references: Sequence[str]
    ) -> NDArray[np.float64]:
        """(n, m) float64 in [0, 1]: METEOR of every hypothesis (row) with every reference."""
        raise NotImplementedError

    def best_statistics(self, hypothesis: str, references: Sequence[str]) -> Statistics:
        """(23,) int64: statistics against the reference with the best score (first on ties)."""
        raise NotImplementedError

    def score(self, hypothesis: str, references: Sequence[str] | str) -> float:
        """METEOR of one hypothesis against its best reference, in [0, 1]."""
        raise NotImplementedError

    def corpus_score(self, statistics: Statistics) -> float:
        """The corpus-level METEOR of rows of statistics: (n, 23) int64, summed, scored once.

        0.0 for no rows. It is not the mean of the scores of the rows.
        """
        raise NotImplementedError


def score_statistics(statistics: Statistics) -> NDArray[np.float64]:
    """The score of each row of statistics: (..., 23) int64 -> (...) float64 in [0, 1]."""
    raise NotImplementedError


def load_meteor(mode: MeteorMode = "auto", cache_dir: Path | None = None) -> Meteor:
    """A METEOR ready to score.

    Args:
        mode: `"full"` needs the data of `vidmetrics fetch meteor-data` and fails without it;
            `"noparaphrase"` uses nothing but what this package carries; `"auto"` takes the full
            one when its data is there and else says once (logging) what it goes without.
        cache_dir: where the data lies; `$SEQ2TIME_CACHE`, else `~/.cache/seq2time`.

    Raises:
        MeteorDataError: `"full"` without its data (names the file and the command that fixes it),
            or the data is damaged.
    """
    raise NotImplementedError
