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

from vidmetrics._native import Backend, backend, make_aligner
from vidmetrics.errors import InputError
from vidmetrics.events import is_list
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

    def pair_statistics(self, references: Sequence[str], predictions: Sequence[str]) -> Statistics:
        """The 23 statistics of each pair `(references[k], predictions[k])`.

        Args:
            references: tokenized captions; METEOR is not symmetric, so mind the roles.
            predictions: as many; METEOR calls them hypotheses.

        Returns:
            (n, 23) int64, columns as in `STATISTICS`.

        Raises:
            InputError: the two sequences differ in length, or a pair of captions is so long and
                repetitive that it cannot be aligned.
            MeteorDataError: a number in the data file leads out of it.
        """
        if len(references) != len(predictions):
            raise InputError(
                f"{len(references)} references but {len(predictions)} predictions: pairs need as "
                "many"
            )
        numbers: dict[str, int] = {}
        prediction_numbers = [numbers.setdefault(text, len(numbers)) for text in predictions]
        reference_numbers = [numbers.setdefault(text, len(numbers)) for text in references]
        try:
            return self._aligner.statistics(
                self._vocabulary.sentences(list(numbers)),
                hypotheses=np.array(prediction_numbers, dtype=np.int64),
                references=np.array(reference_numbers, dtype=np.int64),
            )
        except IndexError as error:
            if self.label == BARE:
                raise
            raise MeteorDataError(
                f"METEOR's data is damaged: {error}. Rebuild it with: vidmetrics fetch meteor-data"
            ) from error

    def best_statistics(self, references: Sequence[str], prediction: str) -> Statistics:
        """(23,) int64: statistics against the reference with the best score (first on ties).

        Raises:
            InputError: there is no list of references, or nothing in it.
        """
        if not is_list(references) or not references:
            raise InputError(f"expected a list of at least one reference, got {references!r:.60}")
        statistics = self.pair_statistics(references, [prediction] * len(references))
        best: Statistics = statistics[int(np.argmax(score_statistics(statistics)))]
        return best

    def score(self, references: Sequence[str], prediction: str) -> float:
        """METEOR of one caption against its best reference, in [0, 1].

        Example:
            >>> load_meteor("noparaphrase").score(["slice an onion"], "slice the onions")
            0.2742857142857143
        """
        return float(score_statistics(self.best_statistics(references, prediction)))

    def corpus_score(self, statistics: Statistics) -> float:
        """The corpus-level METEOR of rows of statistics: (n, 23) int64, summed, scored once.

        0.0 for no rows. It is not the mean of the scores of the rows.
        """
        return float(score_statistics(additive(statistics).sum(axis=0)))


def load_meteor(mode: MeteorMode = "auto", *, cache_dir: str | Path | None = None) -> Meteor:
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
