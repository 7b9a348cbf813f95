"""METEOR's aligner: which words of two captions match. The specification of the native kernel.

Four matchers (exact, stem, synonym, paraphrase) propose matches, a beam search picks a set that
does not overlap. The quirks are the original's and each changes scores: see `_Path` and `align`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidmetrics.errors import InputError
from vidmetrics.meteor_phrases import Phrase, PhraseTable
from vidmetrics.meteor_score import CHUNKS, HYPOTHESIS_MATCHED, REFERENCE_MATCHED, STATISTICS
from vidmetrics.meteor_tables import Tables
from vidmetrics.meteor_words import Sentences

BEAM = 40
MAX_CANDIDATES = 1_000_000
"""Proposed matches of one pair; beyond, the search would run for minutes."""

EXACT, STEM, SYNONYM, PARAPHRASE = range(4)  # in the order of `meteor_score.MODULES`


@dataclass(frozen=True, slots=True)
class Candidate:
    """A proposed match.

    Attributes:
        module: which matcher proposes it.
        start, length: its words in the hypothesis.
        reference_length: its words in the reference, from the place on where it is listed.
    """

    module: int
    start: int
    length: int
    reference_length: int

    @property
    def counted(self) -> tuple[int, int]:
        """What the match adds to the matches of both sides.

        The original adds length times weight (1 for exact matches, 0.5 for all others) to an
        integer, so a single word matched by its stem, synonym or paraphrase adds nothing.
        """
        if self.module == EXACT:
            return self.length, self.reference_length
        return self.length // 2, self.reference_length // 2


@dataclass(frozen=True, slots=True)
class Match:
    """A chosen candidate and where it stands in the reference."""

    candidate: Candidate
    reference_start: int


class Sentence:
    """The words of one caption with everything the matchers ask for."""

    __slots__ = ("is_function", "lefts", "stems", "synsets", "table_words", "words")

    def __init__(self, sentences: Sentences, number: int, phrases: PhraseTable | None) -> None:
        start, end = sentences.starts[number], sentences.starts[number + 1]
        self.words: list[int] = sentences.words[start:end].tolist()
        self.stems = [int(sentences.stems[word]) for word in self.words]
        self.table_words = [int(sentences.table_words[word]) for word in self.words]
        self.is_function = [bool(sentences.is_function[word]) for word in self.words]
        rows = sentences.synset_starts
        self.synsets = [
            frozenset(sentences.synsets[rows[word] : rows[word + 1]].tolist())
            for word in self.words
        ]
        # For each place the phrases of the table that begin there: (length, number).
        self.lefts = [
            phrases.lefts_at(self.table_words, place) if phrases is not None else []
            for place in range(len(self.words))
        ]


class PythonAligner:
    """Aligns pairs of captions."""

    def __init__(self, tables: Tables | None) -> None:
        """Without `tables` there are no paraphrases."""
        self._phrases = None if tables is None else PhraseTable(tables)

    def statistics(
        self,
        sentences: Sentences,
        *,
        hypotheses: NDArray[np.int64],
        references: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """METEOR's 23 statistics of each pair of sentence numbers: (n, 23)."""
        prepared = [
            Sentence(sentences, number, self._phrases)
            for number in range(len(sentences.starts) - 1)
        ]
        paraphrases = self._paraphrases(sentences, prepared)
        result = np.zeros((len(hypotheses), len(STATISTICS)), dtype=np.int64)
        for row, (hypothesis, reference) in enumerate(
            zip(hypotheses.tolist(), references.tolist(), strict=True)
        ):
            pair = prepared[hypothesis], prepared[reference]
            result[row] = pair_statistics(*pair, align(*pair, paraphrases))
        return result

    def _paraphrases(
        self, sentences: Sentences, prepared: Sequence[Sentence]
    ) -> dict[int, list[Phrase]]:
        """For each phrase of the sentences its paraphrases made of the sentences' words."""
        if self._phrases is None:
            return {}
        words = frozenset(sentences.table_words.tolist())
        lefts = {left for s in prepared for at in s.lefts for _, left in at}
        return {left: self._phrases.entries(left, words) for left in lefts}


def pair_statistics(
    hypothesis: Sentence, reference: Sentence, matches: Sequence[Match]
) -> list[int]:
    """The 23 statistics of an alignment, in the order of `STATISTICS`."""
    counts = [0] * len(STATISTICS)
    counts[0], counts[1] = len(hypothesis.words), len(reference.words)
    counts[2], counts[3] = sum(hypothesis.is_function), sum(reference.is_function)
    expected = None
    for match in matches:
        candidate = match.candidate
        first = 4 + 4 * candidate.module
        for place in range(candidate.start, candidate.start + candidate.length):
            counts[first + 2 * hypothesis.is_function[place]] += 1
        end = match.reference_start + candidate.reference_length
        for place in range(match.reference_start, end):
            counts[first + 1 + 2 * reference.is_function[place]] += 1
        counts[CHUNKS] += (candidate.start, match.reference_start) != expected
        counts[HYPOTHESIS_MATCHED] += candidate.length
        counts[REFERENCE_MATCHED] += candidate.reference_length
        expected = candidate.start + candidate.length, end
    return counts


@dataclass(slots=True)
class _Path:
    """A choice of matches up to a place of the reference.

    Attributes:
        matches: counted words of both sides, see `Candidate.counted`.
        chunks: closed chunks. A chunk is closed by a match elsewhere or by a word without match,
            not by its last word: an open chunk costs nothing yet.
        distance: how far apart the matched words stand, summed up with a slip: the distance of a
            new match is added to the path it was made from, after the copy.
        place: the first word of the reference that is not decided.
        open_at: where the open chunk would go on (hypothesis, reference), if one is open.
        used, used_reference: bit sets of the words taken.
        chosen: the matches, newest first, as nested pairs.
    """

    matches: int
    chunks: int
    distance: int
    place: int
    open_at: tuple[int, int] | None
    used: int
    used_reference: int
    chosen: tuple[Match, object] | None

    def rank(self) -> tuple[int, int, int]:
        """Smaller is better; equal paths stay in the order in which they were made."""
        return -self.matches, self.chunks, self.distance

    def with_match(self, candidate: Candidate) -> _Path:
        """A copy that takes a match at `place`."""
        place = self.place
        continued = self.open_at is None or self.open_at == (candidate.start, place)
        end = place + candidate.reference_length
        return _Path(
            matches=self.matches + sum(candidate.counted),
            chunks=self.chunks + (not continued),
            distance=self.distance,
            place=end,
            open_at=(candidate.start + candidate.length, end),
            used=self.used | _bits(candidate.start, candidate.length),
            used_reference=self.used_reference | _bits(place, candidate.reference_length),
            chosen=(Match(candidate, place), self.chosen),
        )

    def without_match(self) -> _Path:
        """A copy that leaves the word at `place` unmatched."""
        return _Path(
            matches=self.matches,
            chunks=self.chunks + (self.open_at is not None),
            distance=self.distance,
            place=self.place + 1,
            open_at=None,
            used=self.used,
            used_reference=self.used_reference,
            chosen=self.chosen,
        )


def align(
    hypothesis: Sentence, reference: Sentence, paraphrases: dict[int, list[Phrase]]
) -> list[Match]:
    """The matches METEOR's beam search chooses, in the order of the reference."""
    candidates = _candidates(hypothesis, reference, paraphrases)
    fixed = _fixed_matches(candidates, len(hypothesis.words))
    used = used_reference = 0
    for place, candidate in fixed.items():
        used |= _bits(candidate.start, candidate.length)
        used_reference |= _bits(place, candidate.reference_length)
    paths = [_Path(0, 0, 0, 0, None, used, used_reference, None)]
    for place, proposed in enumerate(candidates):
        paths.sort(key=_Path.rank)
        grown: list[_Path] = []
        for path in paths[:BEAM]:
            if path.place > place:
                grown.append(path)
            elif place in fixed:
                grown.append(_with_fixed_match(path, fixed[place]))
            else:
                grown += _branches(path, proposed)
        paths = grown
    # Ranked once more with their last chunks open, then closed: that decides between equals.
    paths = sorted(paths, key=_Path.rank)[:BEAM]
    for path in paths:
        path.chunks += path.open_at is not None
    return _in_order(min(paths, key=_Path.rank))


def _branches(path: _Path, proposed: Sequence[Candidate]) -> Iterator[_Path]:
    """The path with each match that is free, and without one."""
    for candidate in proposed:
        if path.used & _bits(candidate.start, candidate.length):
            continue
        if path.used_reference & _bits(path.place, candidate.reference_length):
            continue
        yield path.with_match(candidate)
        path.distance += abs(path.place - candidate.start)
    yield path.without_match()


def _with_fixed_match(path: _Path, candidate: Candidate) -> _Path:
    distance = abs(path.place - candidate.start)
    grown = path.with_match(candidate)
    grown.distance += distance
    return grown


def _in_order(path: _Path) -> list[Match]:
    matches: list[Match] = []
    link: object = path.chosen
    while isinstance(link, tuple):
        matches.append(link[0])
        link = link[1]
    return matches[::-1]


def _bits(start: int, length: int) -> int:
    return ((1 << length) - 1) << start


def _fixed_matches(
    candidates: Sequence[Sequence[Candidate]], hypothesis_length: int
) -> dict[int, Candidate]:
    """Matches without a rival: alone at their place, and no other covers any of their words.

    A match that two matchers propose is two candidates, and so has a rival.
    """
    covered = [0] * hypothesis_length
    covered_reference = [0] * len(candidates)
    for place, proposed in enumerate(candidates):
        for candidate in proposed:
            for k in range(candidate.start, candidate.start + candidate.length):
                covered[k] += 1
            for k in range(place, place + candidate.reference_length):
                covered_reference[k] += 1
    fixed: dict[int, Candidate] = {}
    for place, proposed in enumerate(candidates):
        if len(proposed) != 1:
            continue
        candidate = proposed[0]
        words = covered[candidate.start : candidate.start + candidate.length]
        words += covered_reference[place : place + candidate.reference_length]
        if max(words) == 1:
            fixed[place] = candidate
    return fixed


def _candidates(
    hypothesis: Sentence, reference: Sentence, paraphrases: dict[int, list[Phrase]]
) -> list[list[Candidate]]:
    """Proposed matches for each place of the reference, in the order of the matchers."""
    num_places = Counter(hypothesis.words)
    if sum(num_places[word] for word in reference.words) > MAX_CANDIDATES:
        raise _too_many(hypothesis, reference)  # before a million objects are made
    found: list[list[Candidate]] = [[] for _ in reference.words]
    proposals = _exact(hypothesis, reference)
    if hypothesis.words != reference.words:  # else the exact matcher alone decides
        proposals = _all_matchers(hypothesis, reference, paraphrases)
    for count, (place, candidate) in enumerate(proposals):
        found[place].append(candidate)
        if count >= MAX_CANDIDATES:
            raise _too_many(hypothesis, reference)
    return found


def _too_many(hypothesis: Sentence, reference: Sentence) -> InputError:
    return InputError(
        f"captions of {len(hypothesis.words):,} and {len(reference.words):,} words have "
        f"more than {MAX_CANDIDATES:,} possible word matches: too long for METEOR to align"
    )


Proposals = Iterator[tuple[int, Candidate]]


def _all_matchers(
    hypothesis: Sentence, reference: Sentence, paraphrases: dict[int, list[Phrase]]
) -> Proposals:
    yield from _exact(hypothesis, reference)
    yield from _same_stem(hypothesis, reference)
    yield from _synonyms(hypothesis, reference)
    yield from _paraphrased(hypothesis, reference, paraphrases)


def _exact(hypothesis: Sentence, reference: Sentence) -> Proposals:
    places = _places(hypothesis.words)
    for place, word in enumerate(reference.words):
        for start in places.get(word, ()):
            yield place, Candidate(EXACT, start, 1, 1)


def _same_stem(hypothesis: Sentence, reference: Sentence) -> Proposals:
    places = _places(hypothesis.stems)
    for place, (word, stem) in enumerate(zip(reference.words, reference.stems, strict=True)):
        for start in places.get(stem, ()):
            if hypothesis.words[start] != word:
                yield place, Candidate(STEM, start, 1, 1)


def _synonyms(hypothesis: Sentence, reference: Sentence) -> Proposals:
    for place, (word, synsets) in enumerate(zip(reference.words, reference.synsets, strict=True)):
        if not synsets:
            continue
        for start, other in enumerate(hypothesis.synsets):
            if hypothesis.words[start] != word and not synsets.isdisjoint(other):
                yield place, Candidate(SYNONYM, start, 1, 1)


def _paraphrased(
    hypothesis: Sentence, reference: Sentence, paraphrases: dict[int, list[Phrase]]
) -> Proposals:
    """Phrases of the reference with paraphrases in the hypothesis, then the other way round."""
    for place, length, start, other in _paraphrases_in(reference, hypothesis, paraphrases):
        yield place, Candidate(PARAPHRASE, start, other, length)
    for start, length, place, other in _paraphrases_in(hypothesis, reference, paraphrases):
        yield place, Candidate(PARAPHRASE, start, length, other)


def _paraphrases_in(
    source: Sentence, target: Sentence, paraphrases: dict[int, list[Phrase]]
) -> Iterator[tuple[int, int, int, int]]:
    """(place, length) of a phrase in the source and of a paraphrase of it in the target."""
    places = _places(target.table_words)
    words = target.table_words
    for place, lefts in enumerate(source.lefts):
        for length, left in lefts:
            for phrase in paraphrases.get(left, ()):
                for start in places.get(phrase[0], ()):
                    if tuple(words[start : start + len(phrase)]) == phrase:
                        yield place, length, start, len(phrase)


def _places(values: Sequence[int]) -> dict[int, list[int]]:
    places: dict[int, list[int]] = defaultdict(list)
    for place, value in enumerate(values):
        places[value].append(place)
    return places
