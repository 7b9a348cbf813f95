"""One line that says how a number came about, in the manner of sacrebleu."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vidmetrics.iou import exact
from vidmetrics.version import __version__

if TYPE_CHECKING:
    from vidmetrics.iou import IouRule
    from vidmetrics.protocol import Protocol

_COUNTED = {"zero": "0", "skipped": "skipped"}


def dense_captioning_signature(protocol: Protocol, meteor_label: str) -> str:
    """Every choice of the protocol in one line.

    Args:
        protocol: the choices.
        meteor_label: what METEOR was scored with, for example `"meteor:1.5"`.
    """
    parts = (
        "DVC",
        f"proto:{protocol.name}",
        f"iou:{_numbers(protocol.iou_thresholds)}",
        *_iou_parts(protocol.iou_rule),
        f"covered:{protocol.covered_if}",
        f"paired:{protocol.paired_if}",
        f"f1:{protocol.f1}",
        "tok:ptb",
        f"chars:{protocol.characters}",
        f"stop:{'appended' if protocol.full_stop else 'none'}",
        f"unmatched:{protocol.unmatched}",
        f"cider:{protocol.cider_documents}",
        meteor_label,
        f"meteor-of:{protocol.meteor_aggregate}",
        f"soda:{protocol.soda_columns},{protocol.soda_order},{protocol.soda_roles}",
        f"refs:{protocol.several_references}",
        f"missing:{_COUNTED[protocol.missing]}",
        f"empty:{_COUNTED[protocol.empty]}",
        f"v:{__version__}",
    )
    return "|".join(parts)


def grounding_signature(rule: IouRule, iou_thresholds: Sequence[float], *extra: str) -> str:
    """The same for grounding; `extra` parts stand before the version."""
    parts = (
        "TVG",
        f"iou:{_numbers(iou_thresholds)}",
        *_iou_parts(rule),
        "hit:>=",
        "missing:0",
        *extra,
        f"v:{__version__}",
    )
    return "|".join(parts)


def _iou_parts(rule: IouRule) -> tuple[str, str]:
    epsilon = f"+{exact(rule.epsilon)}" if rule.epsilon else ""
    return f"union:{rule.union}{epsilon}", f"reversed:{rule.reversed_spans}"


def _numbers(values: Sequence[float]) -> str:
    return ",".join(exact(value).removeprefix("0") for value in values)
