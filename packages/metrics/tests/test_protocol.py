from dataclasses import fields, replace

import pytest

from vidmetrics.errors import InputError
from vidmetrics.protocol import PROTOCOLS, Protocol, protocol_named
from vidmetrics.protocol_options import protocol_from_options
from vidmetrics.signature import dense_captioning_signature
from vidmetrics.version import __version__

CHANGES = {
    "name": "mine",
    "iou_thresholds": (0.25,),
    "iou_union": "hull",
    "iou_epsilon": 0.0,
    "reversed_spans": "zero",
    "covered_if": ">=",
    "paired_if": ">",
    "f1": "means",
    "characters": "ascii",
    "full_stop": False,
    "unmatched": "dropped",
    "cider_documents": "corpus",
    "meteor_aggregate": "pairs",
    "soda_columns": "natural",
    "soda_order": "start",
    "soda_roles": "straight",
    "missing": "skipped",
    "empty": "skipped",
    "several_references": "best",
}


def test_every_field_is_in_the_signature() -> None:
    base = PROTOCOLS["timechat"]
    plain = dense_captioning_signature(base, "meteor:1.5")
    # METEOR's label comes from the data that was found, so its field is not among the changes.
    assert CHANGES.keys() == {field.name for field in fields(Protocol)} - {"meteor"}
    for name, value in CHANGES.items():
        changed = replace(base, **{name: value})
        assert dense_captioning_signature(changed, "meteor:1.5") != plain, name


def test_signatures_of_the_named_protocols_differ_and_name_them() -> None:
    signatures = {
        name: dense_captioning_signature(protocol, "meteor:1.5")
        for name, protocol in PROTOCOLS.items()
    }
    assert len(set(signatures.values())) == len(signatures)
    for name, signature in signatures.items():
        assert f"|proto:{name}|" in signature
    assert "|iou:.3,.5,.7,.9|" in signatures["timechat"]
    assert "|soda:permuted," in signatures["timechat"]
    assert "|missing:0|" in signatures["timechat"]
    assert signatures["timechat"].endswith(f"|v:{__version__}")


@pytest.mark.parametrize(
    "change",
    [
        {"f1": "median"},
        {"soda_columns": "sorted"},
        {"missing": "0"},
        {"iou_thresholds": ()},
        {"iou_thresholds": (0.0,)},
        {"iou_thresholds": (0.5, 0.5)},
        {"iou_epsilon": -1.0},
        {"iou_union": "sum"},
    ],
)
def test_a_value_that_means_nothing_is_rejected(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must|twice"):
        replace(PROTOCOLS["timechat"], **change)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="timechat, soda, vidchapters"):
        protocol_named("timechta")


def test_options_change_fields_and_say_so_in_the_name() -> None:
    protocol = protocol_from_options(
        "soda", ["iou_thresholds=.5,.75", "full_stop=true", "iou_epsilon=0", "f1=means"]
    )
    assert protocol == replace(
        PROTOCOLS["soda"],
        name="soda-changed",
        iou_thresholds=(0.5, 0.75),
        full_stop=True,
        iou_epsilon=0.0,
        f1="means",
    )


def test_options_that_change_nothing_keep_the_name() -> None:
    assert protocol_from_options("soda", ["soda_columns=natural"]) is PROTOCOLS["soda"]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("soda_colums=natural", "soda_columns"),
        ("soda_columns", "FIELD=VALUE"),
        ("soda_columns=sorted", "permuted, natural"),
        ("full_stop=perhaps", "true or false"),
        ("iou_thresholds=.3;.5", "numbers"),
        ("iou_epsilon=tiny", "a number"),
        ("name=mine", "FIELD=VALUE"),
    ],
)
def test_a_wrong_option_is_explained(option: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        protocol_from_options("timechat", [option])
