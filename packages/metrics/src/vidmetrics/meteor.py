"""METEOR 1.5 (`-l en -norm`), bit for bit, without Java.

`load_meteor` gives a `Meteor`, the only thing other modules need. Strings go in as the caption
scorers pass them: the output of `vidmetrics.ptb.tokenize`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vidmetrics._native import Backend, backend, make_aligner
from vidmetrics.meteor_score import STATISTICS, Statistics, additive, score_statistics
from vidmetrics.meteor_tables import MeteorDataError, Tables, open_tables
from vidmetrics.meteor_words import Vocabulary

__all__ = [
    "STATISTICS",
    "Meteor",
    "MeteorDataError",
    "MeteorMode",
    "Statistics",
    "load_meteor",
    "score_statistics",
]

MeteorMode = Literal["auto", "full", "noparaphrase"]

FULL = "meteor:1.5"
BARE = "meteor:1.5-noparaphrase-nosynonym"

_LOGGER = logging.getLogger(__name__)


class Meteor:
    """Scores pairs of captions; holds the word data and remembers words it has seen.

    Attributes:
        label: what to print in a signature: `"meteor:1.5"` with all data, else
            `"meteor:1.5-noparaphrase-nosynonym"`, which names the parts that are missing.
        backend: `"native"` or `"python"`; the numbers are the same.
    """

    def __init__(self, tables: Tables | None, which: Backend | None = None) -> None:
        """Prefer `load_meteor`.

        Args:
            tables: the data file; None for exact and stem matches only.
            which: `None` takes the compiled aligner where it is installed.
        """
        self.label = BARE if tables is None else FULL
        self.backend: Backend = which or backend()
        self._vocabulary = Vocabulary(tables)
        self._aligner = make_aligner(tables, self.backend)

    def pair_statistics(self, hypotheses: Sequence[str], references: Sequence[str]) -> Statistics:
        """The 23 statistics of each pair `(hypotheses[k], references[k])`.

        Args:
            hypotheses: tokenized captions; METEOR is not symmetric, so mind the roles.
            references: as many.

        Returns:
            (n, 23) int64, columns as in `STATISTICS`.

        Raises:
            ValueError: the two sequences differ in length.
            InputError: a pair of captions is so long and repetitive that it cannot be aligned.
        """
        if len(hypotheses) != len(references):
            raise ValueError(
                f"{len(hypotheses)} hypotheses but {len(references)} references: pairs need as many"
            )
        numbers: dict[str, int] = {}
        hypothesis_numbers = [numbers.setdefault(text, len(numbers)) for text in hypotheses]
        reference_numbers = [numbers.setdefault(text, len(numbers)) for text in references]
        return self._aligner.statistics(
            self._vocabulary.sentences(list(numbers)),
            np.array(hypothesis_numbers, dtype=np.int64),
            np.array(reference_numbers, dtype=np.int64),
        )

    def statistics_matrix(self, hypotheses: Sequence[str], references: Sequence[str]) -> Statistics:
        """(n, m, 23) int64: the statistics of every hypothesis with every reference."""
        n, m = len(hypotheses), len(references)
        sentences = self._vocabulary.sentences([*hypotheses, *references])
        statistics = self._aligner.statistics(
            sentences,
            np.repeat(np.arange(n, dtype=np.int64), m),
            np.tile(np.arange(n, n + m, dtype=np.int64), n),
        )
        return statistics.reshape(n, m, len(STATISTICS))

    def score_matrix(
        self, hypotheses: Sequence[str], references: Sequence[str]
    ) -> NDArray[np.float64]:
        """(n, m) float64 in [0, 1]: METEOR of every hypothesis (row) with every reference."""
        return score_statistics(self.statistics_matrix(hypotheses, references))

    def best_statistics(self, hypothesis: str, references: Sequence[str]) -> Statistics:
        """(23,) int64: statistics against the reference with the best score (first on ties).

        Raises:
            ValueError: there is no reference.
        """
        if not references:
            raise ValueError("a caption needs at least one reference")
        statistics = self.statistics_matrix([hypothesis], references)[0]
        best: Statistics = statistics[int(np.argmax(score_statistics(statistics)))]
        return best

    def score(self, hypothesis: str, references: Sequence[str] | str) -> float:
        """METEOR of one hypothesis against its best reference, in [0, 1].

        Example:
            >>> load_meteor("noparaphrase").score("slice the onions", ["slice an onion"])
            0.2742857142857143
        """
        texts = [references] if isinstance(references, str) else references
        return float(score_statistics(self.best_statistics(hypothesis, texts)))

    def corpus_score(self, statistics: Statistics) -> float:
        """The corpus-level METEOR of rows of statistics: (n, 23) int64, summed, scored once.

        0.0 for no rows. It is not the mean of the scores of the rows.
        """
        return float(score_statistics(additive(statistics).sum(axis=0)))


def load_meteor(mode: MeteorMode = "auto", cache_dir: Path | None = None) -> Meteor:
    """A METEOR ready to score.

    Args:
        mode: `"full"` needs the data of `vidmetrics fetch meteor-data` and fails without it;
            `"noparaphrase"` uses nothing but what this package carries (no paraphrases and no
            synonyms); `"auto"` takes the full one when its data is there and else says (logging)
            what it goes without.
        cache_dir: where the data lies; by default `$SEQ2TIME_CACHE`, else `~/.cache/seq2time`.

    Raises:
        MeteorDataError: `"full"` without its data (names the file and the command that fixes it),
            or the data is damaged.
    """
    from vidmetrics.meteor_data import data_path

    if mode not in ("auto", "full", "noparaphrase"):
        raise ValueError(f"mode {mode!r}: choose auto, full or noparaphrase")
    if mode == "noparaphrase":
        return Meteor(None)
    path = data_path(cache_dir)
    if path.exists():
        return Meteor(open_tables(path))
    missing = f"METEOR's data is not in {path}; get it once with: vidmetrics fetch meteor-data"
    if mode == "full":
        raise MeteorDataError(missing)
    _LOGGER.warning("%s. Without it there are no paraphrases and no synonyms (%s)", missing, BARE)
    return Meteor(None)
