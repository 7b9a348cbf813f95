"""The only place that imports the compiled kernels."""

from __future__ import annotations

import logging
import os
from functools import cache
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from vidmetrics.errors import InputError
from vidmetrics.meteor_tables import Tables
from vidmetrics.meteor_words import Sentences

Backend = Literal["native", "python"]
REQUIRE = "SEQ2TIME_REQUIRE"

_LOGGER = logging.getLogger(__name__)


class Aligner(Protocol):
    """Aligns pairs of captions; `meteor_align.PythonAligner` is the specification."""

    def statistics(
        self,
        sentences: Sentences,
        *,
        hypotheses: NDArray[np.int64],
        references: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """METEOR's 23 statistics of each pair of sentence numbers: (n, 23).

        Raises:
            InputError: a pair with more possible matches than can be searched.
            IndexError: a number in the paraphrase table leads out of it.
        """


@cache
def backend() -> Backend:
    """Which aligner METEOR uses here; both give the same numbers. Says it once (logging).

    Raises:
        RuntimeError: there is no compiled one, and `SEQ2TIME_REQUIRE` names `native`.
    """
    try:
        from seqnative import _cpu

        _ = _cpu.MeteorAligner
    except (ImportError, AttributeError) as error:
        if "native" in os.environ.get(REQUIRE, "").split(","):
            raise RuntimeError(
                f"{REQUIRE} names native, but the compiled kernels cannot be used ({error}): "
                "install seq2time-native (in a clone: pip install ./native)"
            ) from error
        _LOGGER.info(
            "METEOR aligns in Python; seq2time-native is faster (in a clone: pip install ./native)"
        )
        return "python"
    _LOGGER.info("METEOR aligns in compiled code (seqnative)")
    return "native"


def make_aligner(tables: Tables | None, which: Backend | None = None) -> Aligner:
    """An aligner; without `tables` it knows no paraphrases.

    Args:
        tables: the data file.
        which: `None` takes what `backend()` says.
    """
    if (which or backend()) == "native":
        return _NativeAligner(tables)
    from vidmetrics.meteor_align import PythonAligner

    return PythonAligner(tables)


class _NativeAligner:
    """Hands plain arrays to the compiled kernel."""

    def __init__(self, tables: Tables | None) -> None:
        from seqnative import _cpu

        if tables is None:
            self._kernel = _cpu.MeteorAligner()
        else:
            self._kernel = _cpu.MeteorAligner(
                first_words=tables.first_words,
                left_starts=tables.left_starts,
                left_words=tables.left_words,
                entry_starts=tables.entry_starts,
                entry_counts=tables.entry_counts,
                right_starts=tables.right_starts,
                right_lengths=tables.right_lengths,
                right_words=tables.right_words,
            )

    def statistics(
        self,
        sentences: Sentences,
        *,
        hypotheses: NDArray[np.int64],
        references: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        try:
            return self._kernel.statistics(
                starts=sentences.starts,
                words=sentences.words,
                stems=sentences.stems,
                table_words=sentences.table_words,
                is_function=sentences.is_function,
                synset_starts=sentences.synset_starts,
                synsets=sentences.synsets,
                hypotheses=hypotheses,
                references=references,
            )
        except ValueError as error:  # a pair too long to align: the only fault left to captions
            raise InputError(str(error)) from None
