"""Every choice that moves a dense-captioning number, as a named field.

Published numbers come from scorers that differ in more than a dozen places (docs in
`docs/metrics_protocols.md`). A `Protocol` says all of them, the printed signature repeats them,
and `dataclasses.replace` changes one.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal, get_args, get_type_hints

from vidmetrics.iou import IouRule, ReversedSpans, Union, check_iou_thresholds


@dataclass(frozen=True, kw_only=True, slots=True)
class Protocol:
    """How a dense-captioning score comes about.

    Attributes:
        name: what to call it in the signature.
        iou_thresholds: precision, recall, CIDEr and METEOR are averaged over these.
        iou_union: denominator of the IoU (see `IouRule`).
        iou_epsilon: added to that denominator.
        reversed_spans: what a span with end < start counts.
        covered_if: precision and recall need an IoU above (`">"`) or at least (`">="`) the
            threshold.
        paired_if: the same for the caption pairs of CIDEr and METEOR.
        f1: `"video"`: of each video's mean precision and recall, then the mean over videos;
            `"thresholds"`: of corpus precision and recall at each threshold, then their mean;
            `"means"`: of the final precision and recall.
        characters: `"kept"`, or `"ascii"`: every other character becomes a space.
        full_stop: whether reference captions get a full stop appended before tokenizing.
        unmatched: a prediction that overlaps no reference is paired with a `"random_string"` (a
            word that matches nothing), or is `"dropped"` from CIDEr and METEOR.
        cider_documents: document frequency from the pairs of one `"video"` or of the `"corpus"`.
        meteor: which METEOR data: `"auto"`, `"full"` (fails without) or `"noparaphrase"`.
        meteor_aggregate: per-video corpus-level score (`"video"`), mean of `"pairs"` in each
            video, or one corpus-level score of everything (`"corpus"`).
        soda_columns: METEOR columns beside the IoU columns: `"permuted"` into string order, as
            published scorers have them beyond ten predictions, or `"natural"`.
        soda_order: predictions in `"file"` order or sorted by `"start"`.
        soda_roles: METEOR of the reference caption against the prediction (`"swapped"`, as all
            published scorers have it) or of the prediction against the reference
            (`"straight"`).
        missing: a video without an entry in the predictions counts 0 (`"zero"`) or is left out of
            every mean (`"skipped"`).
        empty: the same for a video whose list of predictions is empty.
        several_references: SODA_c where a video has several sets of references: the `"best"` per
            video, the `"mean"` of the corpus scores, or all sets `"merged"` into one. Precision
            and recall take the best set each, CIDEr and METEOR pair with all.
    """

    name: str
    iou_thresholds: tuple[float, ...] = (0.3, 0.5, 0.7, 0.9)
    iou_union: Union = "capped"
    iou_epsilon: float = 1e-8
    reversed_spans: ReversedSpans = "repaired"
    covered_if: Literal[">", ">="] = ">"
    paired_if: Literal[">", ">="] = ">="
    f1: Literal["video", "thresholds", "means"] = "video"
    characters: Literal["kept", "ascii"] = "kept"
    full_stop: bool = True
    unmatched: Literal["random_string", "dropped"] = "random_string"
    cider_documents: Literal["video", "corpus"] = "video"
    meteor: Literal["auto", "full", "noparaphrase"] = "auto"
    meteor_aggregate: Literal["video", "pairs", "corpus"] = "video"
    soda_columns: Literal["permuted", "natural"] = "permuted"
    soda_order: Literal["file", "start"] = "file"
    soda_roles: Literal["swapped", "straight"] = "swapped"
    missing: Literal["zero", "skipped"] = "zero"
    empty: Literal["zero", "skipped"] = "zero"
    several_references: Literal["best", "mean", "merged"] = "mean"

    def __post_init__(self) -> None:
        """Reject values that no scorer could follow, with the values that it could."""
        types = get_type_hints(type(self))
        for field in dataclasses.fields(self):
            value, allowed = getattr(self, field.name), get_args(types[field.name])
            if field.name != "iou_thresholds" and allowed and value not in allowed:
                raise ValueError(
                    f"{field.name} must be one of {', '.join(map(str, allowed))}, got {value!r}"
                )
        check_iou_thresholds(self.iou_thresholds)
        _ = self.iou_rule  # checks the rest

    @property
    def iou_rule(self) -> IouRule:
        """How two spans become one number."""
        return IouRule(
            union=self.iou_union, epsilon=self.iou_epsilon, reversed_spans=self.reversed_spans
        )


TIMECHAT = Protocol(name="timechat")
"""TimeChat's and Vid2Seq's scorer: what published YouCook2 numbers of video LLMs come from."""

SODA = Protocol(
    name="soda",
    reversed_spans="zero",
    characters="ascii",
    full_stop=False,
    soda_columns="natural",
    soda_order="start",
    missing="skipped",
    empty="skipped",
    several_references="merged",
)
"""The SODA release: columns right, predictions sorted, videos without prediction left out."""

VIDCHAPTERS = Protocol(
    name="vidchapters",
    reversed_spans="zero",
    f1="thresholds",
    characters="ascii",
    full_stop=False,
    soda_columns="natural",
    soda_order="start",
    missing="skipped",
)
"""VidChapters' scorer: F1 from corpus precision and recall, absent videos skipped."""

PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol for protocol in (TIMECHAT, SODA, VIDCHAPTERS)
}


def protocol_named(protocol: Protocol | str) -> Protocol:
    """The protocol of that name, or the protocol itself.

    Raises:
        ValueError: an unknown name (lists the known ones).
    """
    if isinstance(protocol, Protocol):
        return protocol
    if protocol not in PROTOCOLS:
        raise ValueError(f"unknown protocol {protocol!r}; known: {', '.join(PROTOCOLS)}")
    return PROTOCOLS[protocol]
