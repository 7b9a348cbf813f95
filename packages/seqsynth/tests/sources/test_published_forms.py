"""Every source of annotations in the form that its makers publish, and in damaged writings of it.

Byte order marks and Windows line ends change nothing, ids may begin with a hyphen, and a record
that lacks a field is a bad row that names it, beside good ones.
"""

import copy
import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from seqsynth.sources import BadRow, Entry, SourceRow, source_rows

ID = "-bcDEF12345"


@dataclass(frozen=True)
class Form:
    """A source, the name of its file, one record, and what its records cannot do without."""

    source: str
    name: str
    record: dict[str, Any]
    required: tuple[str, ...]

    def text(self, records: list[dict[str, Any]]) -> str:
        if self.name.endswith(".csv"):
            table = io.StringIO()
            writer = csv.DictWriter(table, self.record, lineterminator="\n")
            writer.writeheader()
            writer.writerows(records)
            return table.getvalue()
        if self.name.endswith(".jsonl"):
            return "".join(json.dumps(record) + "\n" for record in records)
        if self.source == "youcook2" and "coco" not in self.name:
            named = {f"{ID}{number or ''}": record for number, record in enumerate(records)}
            return json.dumps({"database": named}, indent=1)
        if self.source == "youcook2":
            return json.dumps({"annotations": records}, indent=1)
        if self.source == "activitynet_captions":
            named = {f"v_{ID}{number or ''}": record for number, record in enumerate(records)}
            return json.dumps(named, indent=1)
        return json.dumps(records, indent=1)


TALK = [{"from": "human", "value": "<video>\nWhat?"}, {"from": "gpt", "value": "A kite."}]
FORMS = [
    Form(
        "kinetics",
        "train.csv",
        {
            "label": "juggling balls", "youtube_id": ID, "time_start": "12", "time_end": "22",
            "split": "train",
        },
        ("label", "youtube_id", "time_start", "time_end"),
    ),
    Form(
        "timeit",
        "instruct_time-sensitive_104k_asr.json",
        {
            "video": f"QuerYD/video-{ID}",
            "QA": [{"q": "When?", "a": "The given query happens in 12.0 seconds."}],
            "source": "queryd",
        },
        ("video", "QA"),
    ),
    Form(
        "vtg_it",
        "vtg_it.json",
        {"video": f"{ID}.mp4", "QA": [{"q": "When?", "a": "<TIME_ZERO><TIME_DOT><TIME_ONE>"}]},
        ("video", "QA"),
    ),
    Form(
        "valley",
        "valley_instruct_65k.json",
        {
            "v_id": f"{ID}_000010_000020", "video": f"{ID}.mp4", "source": "VATEX",
            "conversations": TALK,
        },
        ("video", "conversations"),
    ),
    Form(
        "sharegpt4video",
        "sharegpt4video_40k.jsonl",
        {
            "video_id": ID, "video_path": f"panda/{ID}.mp4",
            "captions": [{"idx": "1", "content": "one"}, {"idx": "-1", "content": "all"}],
            "zip_folder": "panda/panda_videos_1.zip",
        },
        ("video_id", "video_path", "captions"),
    ),
    Form(
        "youcook2",
        "youcookii_annotations_trainval.json",
        {
            "duration": 207.0, "subset": "training", "recipe_type": "113",
            "annotations": [{"id": 0, "segment": [41, 54], "sentence": "mix flour"}],
        },
        ("duration", "annotations"),
    ),
    Form(
        "youcook2",
        "val.caption_coco_format.json",
        {
            "image_id": f"{ID}.mp4", "duration": 207.0, "segments": [[47, 60], [61, 70]],
            "pure_cap": "mix flour. fry it", "id": 0,
        },
        ("image_id", "duration", "segments", "pure_cap"),
    ),
    Form(
        "activitynet_captions",
        "train.json",
        {"duration": 55.1, "timestamps": [[0.3, 10.2]], "sentences": [" A man runs."]},
        ("duration", "timestamps", "sentences"),
    ),
    Form(
        "qvhighlights",
        "highlight_train_release.jsonl",
        {
            "qid": 7, "query": "A dog jumps", "duration": 150, "vid": f"{ID}_60.0_210.0",
            "relevant_windows": [[26, 40]], "relevant_clip_ids": [13, 14],
            "saliency_scores": [[4, 3, 4], [2, 3, 3]],
        },
        ("qid", "query", "duration", "vid", "relevant_windows"),
    ),
    Form(
        "timelens_100k",
        "timelens-100k.jsonl",
        {
            "source": "cosmo", "video_path": f"cosmo/{ID}.mp4", "duration": 30.0,
            "events": [{"query": "a dog", "span": [[1.0, 2.0]]}],
        },
        ("video_path", "duration", "events"),
    ),
    Form("image_table", "a.csv", {"path": f"{ID}.png", "caption": "a kite"}, ("path", "caption")),
    Form("clip_table", "a.jsonl", {"path": f"{ID}.mp4", "label": "kite"}, ("path", "label")),
]  # fmt: skip
EVERY_FORM = pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form.source}-{form.name}")

Read = Callable[[Form, bytes], list[Entry]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def entries(form: Form, content: bytes) -> list[Entry]:
        (tmp_path / form.name).write_bytes(content)
        return list(source_rows(form.source, tmp_path))

    return entries


@EVERY_FORM
def test_marks_and_line_ends_of_other_systems_change_nothing(form: Form, read: Read) -> None:
    text = form.text([form.record, form.record])
    rows = read(form, text.encode())
    assert [type(row) for row in rows] == [SourceRow, SourceRow]
    row = rows[0]
    assert isinstance(row, SourceRow)
    assert not row.flaws
    assert any(ID in path for path in row.paths)
    assert read(form, text.replace("\n", "\r\n").encode("utf-8-sig")) == rows


@EVERY_FORM
def test_a_record_without_a_field_is_one_bad_row_that_names_it(form: Form, read: Read) -> None:
    for field in form.required:
        damaged = copy.deepcopy(form.record)
        damaged[field] = "" if form.name.endswith(".csv") else None
        bad, good = read(form, form.text([damaged, form.record]).encode())
        assert isinstance(bad, BadRow), field
        assert isinstance(good, SourceRow)
        named = {"relevant_windows": "spans", "label": "caption"}.get(field, field)
        assert field in bad.reason or named in bad.reason, (field, bad)


def test_clips_of_kinetics_are_found_under_labels_with_spaces_underscores_and_flat(
    read: Read,
) -> None:
    (row,) = read(FORMS[0], FORMS[0].text([FORMS[0].record]).encode())
    assert isinstance(row, SourceRow)
    assert row.id == f"{ID}_000012_000022"
    name = f"{ID}_000012_000022"
    assert {
        f"juggling balls/{name}", f"juggling_balls/{name}", name, f"train/juggling_balls/{name}",
    } <= set(row.paths)  # fmt: skip


def test_a_clip_of_vatex_is_not_the_video_that_it_is_cut_from(read: Read) -> None:
    """`video` names the whole video in some releases: showing it would show other scenes."""
    form = FORMS[3]
    clip = f"{ID}_000010_000020"
    for video in (f"{ID}.mp4", f"{clip}.mp4", f"VATEX/{clip}.mp4", f"-00/{ID}.mp4"):
        (row,) = read(form, form.text([{**form.record, "video": video}]).encode())
        assert isinstance(row, SourceRow)
        assert {Path(path).stem for path in row.paths} == {clip}
        assert {Path(path).stem for path in row.uncut_paths} == {ID}
    stock = {**form.record, "v_id": "jk1", "video": "jukin/1.mp4", "source": "jukinmedia"}
    (row,) = read(form, form.text([stock]).encode())
    assert isinstance(row, SourceRow)
    assert row.paths[0] == "jukin/1.mp4"
    assert not row.uncut_paths


def test_a_recipe_type_may_be_a_number(read: Read) -> None:
    form = FORMS[5]
    (row,) = read(form, form.text([{**form.record, "recipe_type": 113}]).encode())
    assert isinstance(row, SourceRow)
    assert f"training/113/{ID}" in row.paths
    assert row.label == "113"


def test_lines_of_charades_in_other_writings(tmp_path: Path) -> None:
    lines = [f"{ID} 0.0 6.9##a person is putting a book on a shelf.", "no mark", "AO8RW 1 2##b ##c"]
    path = tmp_path / "charades_sta_test.txt"
    path.write_text("\n".join(lines), "utf-8")
    rows = list(source_rows("charades_sta", tmp_path))
    path.write_bytes("\r\n".join([*lines, ""]).encode("utf-8-sig"))
    assert list(source_rows("charades_sta", tmp_path)) == rows
    assert [type(row) for row in rows] == [SourceRow, BadRow, SourceRow]
    assert isinstance(rows[0], SourceRow)
    assert rows[0].paths[0] == ID
