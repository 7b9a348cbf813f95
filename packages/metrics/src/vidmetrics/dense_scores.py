"""From layouts of videos to the numbers that all dense-captioning scores are averages of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vidmetrics.caption_pairs import NOTHING, MeteorTable, score_pairs, sums_by_group
from vidmetrics.cider import pair_scores
from vidmetrics.coverage import precision_and_recall
from vidmetrics.events import FloatArray, IntArray
from vidmetrics.meteor import Meteor, score_statistics
from vidmetrics.meteor_score import additive
from vidmetrics.ngrams import count_ngrams
from vidmetrics.protocol import Protocol
from vidmetrics.soda import soda_c
from vidmetrics.video_layout import Layout, SodaMatrix


@dataclass(frozen=True, eq=False, slots=True)
class DenseScores:
    """Scores of V videos at T thresholds against up to K reference sets.

    Attributes:
        precision: (V, T).
        recall: (V, T).
        num_pairs: (V, T) caption pairs, unmatched predictions included.
        cider: (V, T) mean over the pairs, document frequency of the video.
        cider_corpus_sum: (V, T) sum over the pairs, document frequency of the corpus.
        meteor: (V, T) corpus-level score of the pairs.
        meteor_pair_sum: (V, T) sum of the pairs' scores.
        meteor_statistics: (V, T, 23) additive statistics.
        soda: (V, K) SODA_c against each set.
        has_set: (V, K) 1.0 where the video has the set.
    """

    precision: FloatArray
    recall: FloatArray
    num_pairs: FloatArray
    cider: FloatArray
    cider_corpus_sum: FloatArray
    meteor: FloatArray
    meteor_pair_sum: FloatArray
    meteor_statistics: IntArray
    soda: FloatArray
    has_set: FloatArray


def score_layouts(
    layouts: Sequence[Layout], tokens: list[str], meteor: Meteor, protocol: Protocol
) -> DenseScores:
    """Score every video.

    Args:
        layouts: one a video.
        tokens: token strings that the caption numbers in the layouts name.
        meteor: the METEOR to use.
        protocol: the choices.
    """
    num_thresholds = len(protocol.iou_thresholds)
    shape = (len(layouts), num_thresholds)
    references, predictions, groups = _caption_pairs(layouts, protocol)
    num_pairs = np.bincount(groups, minlength=len(layouts) * num_thresholds).astype(np.int64)
    matrices = [layout.soda_matrices(protocol) for layout in layouts]
    table = _meteor_table(meteor, tokens, (references, predictions), matrices, protocol)
    rows = table.rows_of(references, predictions)
    sums = sums_by_group(additive(table.statistics)[rows], groups, len(num_pairs))
    cider, cider_corpus_sum = _cider(tokens, references, predictions, groups, num_pairs, shape)
    precision, recall = _coverage(layouts, protocol)
    soda, has_set = _soda(matrices, table, protocol)
    return DenseScores(
        precision=precision,
        recall=recall,
        num_pairs=num_pairs.reshape(shape).astype(np.float64),
        cider=cider,
        cider_corpus_sum=cider_corpus_sum,
        meteor=score_statistics(sums).reshape(shape),
        meteor_pair_sum=_sums(groups, table.scores[rows], shape),
        meteor_statistics=sums.reshape(*shape, sums.shape[1]),
        soda=soda,
        has_set=has_set,
    )


def _caption_pairs(
    layouts: Sequence[Layout], protocol: Protocol
) -> tuple[IntArray, IntArray, IntArray]:
    """Reference, prediction and group (video x threshold, rising) of every caption pair."""
    strict = protocol.paired_if == ">"
    references: list[IntArray] = [np.zeros(0, dtype=np.int64)]
    predictions: list[IntArray] = [np.zeros(0, dtype=np.int64)]
    sizes: list[int] = []
    for layout in layouts:
        for threshold in protocol.iou_thresholds:
            reference, prediction = layout.caption_pairs(threshold, strict=strict)
            if protocol.unmatched == "dropped":
                matched = reference != NOTHING
                reference, prediction = reference[matched], prediction[matched]
            references.append(reference)
            predictions.append(prediction)
            sizes.append(len(prediction))
    groups = np.repeat(np.arange(len(sizes), dtype=np.int64), sizes)
    return np.concatenate(references), np.concatenate(predictions), groups


def _meteor_table(
    meteor: Meteor,
    tokens: list[str],
    caption_pairs: tuple[IntArray, IntArray],
    matrices: Sequence[Sequence[SodaMatrix]],
    protocol: Protocol,
) -> MeteorTable:
    """METEOR of the caption pairs, and of the SODA pairs whose spans overlap at all."""
    references, predictions = [caption_pairs[0]], [caption_pairs[1]]
    for matrix in (matrix for of_video in matrices for matrix in of_video):
        reference, prediction = matrix.meteor_pairs(*matrix.overlapping(), protocol.soda_roles)
        references.append(reference)
        predictions.append(prediction)
    return score_pairs(meteor, tokens, np.concatenate(references), np.concatenate(predictions))


def _cider(
    tokens: list[str],
    references: IntArray,
    predictions: IntArray,
    groups: IntArray,
    num_pairs: IntArray,
    shape: tuple[int, int],
) -> tuple[FloatArray, FloatArray]:
    """CIDEr of each group: its mean by its own documents, its sum by the corpus' documents."""
    ngrams = count_ngrams(tokens)
    matched = np.flatnonzero(references != NOTHING)  # an unmatched pair only counts as a document
    references, predictions, groups = references[matched], predictions[matched], groups[matched]

    def sums(frequency_groups: IntArray, num_documents: IntArray) -> FloatArray:
        scores = pair_scores(
            ngrams,
            references=references,
            predictions=predictions,
            groups=frequency_groups,
            documents=matched,
            num_documents=num_documents,
        )
        return _sums(groups, scores, shape)

    of_video = sums(groups, num_pairs)
    of_corpus = sums(groups % shape[1], num_pairs.reshape(shape).sum(axis=0))
    return of_video / np.maximum(num_pairs.reshape(shape), 1), of_corpus


def _coverage(layouts: Sequence[Layout], protocol: Protocol) -> tuple[FloatArray, FloatArray]:
    """Precision and recall of each video at each threshold, of the best reference set each."""
    strict = protocol.covered_if == ">"
    shape = (len(layouts), len(protocol.iou_thresholds))
    precision, recall = np.zeros(shape), np.zeros(shape)
    for video, layout in enumerate(layouts):
        for rows in layout.set_rows.values():
            of_set = precision_and_recall(layout.iou[rows], protocol.iou_thresholds, strict=strict)
            np.maximum(precision[video], of_set[0], out=precision[video])
            np.maximum(recall[video], of_set[1], out=recall[video])
    return precision, recall


def _soda(
    matrices: Sequence[Sequence[SodaMatrix]], table: MeteorTable, protocol: Protocol
) -> tuple[FloatArray, FloatArray]:
    """SODA_c of each video against each reference set, and which sets it has."""
    numbers = {matrix.set_number for of_video in matrices for matrix in of_video}
    shape = (len(matrices), max(numbers, default=0) + 1)
    scores, has_set = np.zeros(shape), np.zeros(shape)
    for video, of_video in enumerate(matrices):
        for matrix in of_video:
            cells = matrix.overlapping()
            rows = table.rows_of(*matrix.meteor_pairs(*cells, protocol.soda_roles))
            values = np.zeros_like(matrix.iou)
            values[cells] = matrix.iou[cells] * table.scores[rows]
            scores[video, matrix.set_number] = soda_c(values)
            has_set[video, matrix.set_number] = 1.0
    return scores, has_set


def _sums(groups: IntArray, values: FloatArray, shape: tuple[int, int]) -> FloatArray:
    sums = np.bincount(groups, values, shape[0] * shape[1])
    return sums.astype(np.float64, copy=False).reshape(shape)
