import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import timetokens as tt
from seqsynth import RECIPES, SequenceDataset, cli
from seqsynth.index import coverage_path, index_corpus, measure_coverage, skipped_path
from seqsynth.index_checks import Checks
from seqsynth.index_ids import SeenIds
from seqsynth.index_media import MediaFolder
from seqsynth.manifest import Manifest
from seqsynth.manifest_corpus import open_corpus
from seqsynth.records import AnnotatedVideo, ClipItem, ImageItem

WriteVideo = Callable[..., Path]
WritePicture = Callable[..., Path]
WriteJson = Callable[..., Path]

NO_PROBE = Checks(probe="none")


def skipped(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in skipped_path(out).read_text("utf-8").splitlines()]


@pytest.fixture
def kinetics(tmp_path: Path, write_video: WriteVideo) -> Path:
    """Seven rows: four clips laid in four ways, one absent, one damaged, one listed twice."""
    root = tmp_path / "k700"
    root.mkdir()
    (root / "train.csv").write_text(
        "label,youtube_id,time_start,time_end,split\n"
        "juggling balls,a,0,10,train\n"
        "juggling balls,b,0,10,train\n"
        "waving hand,-c,0,10,train\n"
        "waving hand,d,0,10,val\n"
        "waving hand,absent,0,10,val\n"
        "waving hand,damaged,0,10,val\n"
        "waving hand,d,0,10,val\n"
    )
    write_video(root / "juggling balls/a_000000_000010.mp4", num_frames=7)
    write_video(root / "juggling_balls/b_000000_000010.webm", num_frames=8, codec="libvpx")
    write_video(root / "-c_000000_000010.mkv", num_frames=9)
    write_video(root / "val/waving_hand/d_000000_000010.mp4", num_frames=10)
    (root / "damaged_000000_000010.mp4").write_bytes(b"not a video")
    return root


def test_clips_are_found_wherever_they_lie(kinetics: Path, tmp_path: Path) -> None:
    out = tmp_path / "k.arrow"
    report = index_corpus("kinetics", kinetics, out)
    manifest = Manifest.open(out)
    assert list(manifest) == [
        ClipItem(
            id="a_000000_000010",
            label="juggling balls",
            caption="juggling balls",
            path=str(kinetics / "juggling balls/a_000000_000010.mp4"),
            num_frames=7,
            duration_seconds=pytest.approx(0.7),
        ),
        ClipItem(
            id="b_000000_000010",
            label="juggling balls",
            caption="juggling balls",
            path=str(kinetics / "juggling_balls/b_000000_000010.webm"),
            num_frames=8,
            duration_seconds=pytest.approx(0.8),
        ),
        ClipItem(
            id="-c_000000_000010",
            label="waving hand",
            caption="waving hand",
            path=str(kinetics / "-c_000000_000010.mkv"),
            num_frames=9,
            duration_seconds=pytest.approx(0.9),
        ),
        ClipItem(
            id="d_000000_000010",
            label="waving hand",
            caption="waving hand",
            path=str(kinetics / "val/waving_hand/d_000000_000010.mp4"),
            num_frames=10,
            duration_seconds=pytest.approx(1.0),
        ),
    ]
    assert manifest.column("codec").to_pylist() == ["mpeg4", "vp8", "mpeg4", "mpeg4"]
    totals = report.totals
    assert (totals.listed, totals.present, totals.missing, totals.unreadable) == (7, 4, 1, 2)


def test_whole_videos_that_clips_have_to_be_cut_from_are_pointed_out(
    tmp_path: Path, write_json: WriteJson
) -> None:
    root = tmp_path / "mixed"
    turns = [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]
    cut = {"v_id": "-bcDEF12345_000010_000020", "source": "VATEX", "conversations": turns}
    cut["video"] = "-bcDEF12345_000010_000020.mp4"
    write_json(root / "valley.json", [cut])
    header = "label,youtube_id,time_start,time_end"
    (root / "a.csv").write_text(f"{header}\nwave hand,x,0,10\nwave hand,y,0,10\n")
    for name in ("VATEX/-bcDEF12345.webm", "wave_hand/x.mp4"):
        (root / name).parent.mkdir()
        (root / name).touch()
    reasons = [
        (reason.status, reason.reason, report.examples[reason][0].detail)
        for source in ("valley", "kinetics")
        for report in [measure_coverage(source, root)]
        for reason in report.reasons
    ]
    assert reasons == [
        ("missing", "not cut from the whole video yet", "VATEX/-bcDEF12345.webm"),
        ("missing", "not cut from the whole video yet", "wave_hand/x.mp4"),
        ("missing", "no such file", ""),
    ]


def test_what_is_left_out_is_written_with_place_and_reason(kinetics: Path, tmp_path: Path) -> None:
    out = tmp_path / "k.arrow"
    report = index_corpus("kinetics", kinetics, out)
    rows = skipped(out)
    assert [(row["origin"], row["status"], row["reason"]) for row in rows] == [
        ("train.csv:6", "missing", "no such file"),
        ("train.csv:7", "unreadable", "cannot be opened"),
        ("train.csv:8", "unreadable", "id comes twice"),
    ]
    assert rows[0]["path"] == "waving hand/absent_000000_000010"
    assert rows[1]["path"] == "damaged_000000_000010.mp4"
    assert {row["part"] for row in rows} == {"val"}
    assert json.loads(coverage_path(out).read_text()) == report.to_record()


def test_more_workers_write_the_same_bytes(kinetics: Path, tmp_path: Path) -> None:
    one, many = tmp_path / "one.arrow", tmp_path / "many.arrow"
    index_corpus("kinetics", kinetics, one, checks=Checks(probe="pts"))
    index_corpus("kinetics", kinetics, many, checks=Checks(probe="pts", num_workers=4))
    assert one.read_bytes() == many.read_bytes()
    assert skipped_path(one).read_bytes() == skipped_path(many).read_bytes()
    times = Manifest.open(one).pts(0)
    assert times is not None
    assert len(times[0]) == 7


def test_an_index_is_the_same_wherever_the_corpus_lies(kinetics: Path, tmp_path: Path) -> None:
    here = tmp_path / "here.arrow"
    index_corpus("kinetics", kinetics, here)
    moved = kinetics.rename(tmp_path / "moved")
    there = tmp_path / "there.arrow"
    index_corpus("kinetics", moved, there)
    one, two = Manifest.open(here), Manifest.open(there)
    assert one.content_sha256 == two.content_sha256
    assert Manifest.open(here, root=moved)[0] == two[0]


def test_without_probing_clips_need_their_lengths_from_the_table(
    tmp_path: Path, kinetics: Path
) -> None:
    with pytest.raises(ValueError, match=r"none of the 7 rows .* unreadable.*\(frames unknown"):
        index_corpus("kinetics", kinetics, tmp_path / "a.arrow", checks=NO_PROBE)
    root = tmp_path / "clips"
    root.mkdir()
    (root / "a.mp4").write_bytes(b"never opened")
    (root / "a.csv").write_text("path,label,duration_seconds,num_frames\na.mp4,wave,2.5,50\n")
    index_corpus("clip_table", root, tmp_path / "b.arrow", checks=NO_PROBE)
    (clip,) = Manifest.open(tmp_path / "b.arrow")
    assert clip == ClipItem(
        id="a.mp4",
        label="wave",
        caption="wave",
        path=str(root / "a.mp4"),
        num_frames=50,
        duration_seconds=2.5,
    )


def test_clips_too_short_or_long_for_any_plan_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    lines = [f"{k},a.mp4,wave,{s},9" for k, s in enumerate(("0.0001", "0.001", "268435", "3e5"))]
    header = "id,path,label,duration_seconds,num_frames"
    (tmp_path / "a.csv").write_text("\n".join([header, *lines]))
    index_corpus("clip_table", tmp_path, tmp_path / "a.arrow", checks=NO_PROBE)
    assert [item.id for item in Manifest.open(tmp_path / "a.arrow")] == ["1", "2"]
    assert {row["reason"] for row in skipped(tmp_path / "a.arrow")} == {"duration out of range"}
    corpus = open_corpus([tmp_path / "a.arrow"])
    with pytest.raises(ValueError, match="label"):  # and not for the sake of a duration
        SequenceDataset(corpus, RECIPES["clip_sequences"](), seed=0)


def test_events_are_cut_to_the_playing_time_of_the_file(
    tmp_path: Path, write_video: WriteVideo
) -> None:
    root = tmp_path / "charades"
    write_video(root / "Charades_v1_480/A.mp4", num_frames=50)
    (root / "charades_sta_test.txt").write_text(
        "A 1.0 3.0##walks\nA 4.0 6.5##sits down\nA 5.5 6.0##too late\n"
    )
    report = index_corpus("charades_sta", root, tmp_path / "c.arrow")
    videos = list(Manifest.open(tmp_path / "c.arrow").select(kind="video"))
    assert [video.events for video in videos] == [
        (tt.Event(1.0, 3.0, "walks"),),
        (tt.Event(4.0, 5.0, "sits down"),),
    ]
    assert videos[0].duration_seconds == pytest.approx(5.0)
    assert videos[0].num_frames == 50
    assert report.flaws == {"event cut: ends after the video": 1}
    (row,) = skipped(tmp_path / "c.arrow")
    assert (row["origin"], row["reason"]) == (
        "charades_sta_test.txt:3",
        "span outside the video",
    )


def test_a_video_is_as_long_as_its_annotation_says_and_a_difference_is_reported(
    tmp_path: Path, write_video: WriteVideo, write_json: WriteJson
) -> None:
    root = tmp_path / "anet"
    video = {"duration": 2.0, "timestamps": [[0.3, 1.9]], "sentences": ["A man runs."]}
    write_json(root / "train.json", {"v_a": video, "v_b": {**video, "duration": 1.02}})
    for name in ("v_a.mp4", "v_b.mp4"):
        write_video(root / name, num_frames=10)
    report = index_corpus("activitynet_captions", root, tmp_path / "a.arrow")
    one, two = Manifest.open(tmp_path / "a.arrow")
    assert isinstance(one, AnnotatedVideo)
    assert isinstance(two, AnnotatedVideo)
    assert (one.duration_seconds, one.num_frames) == (2.0, 10)
    assert two.events == (tt.Event(0.3, 1.02, "A man runs."),)
    assert report.flaws == {
        "file and annotation differ in duration by over 5 %": 1,
        "event cut: ends after the video": 1,
    }


def test_questions_and_answers_keep_their_codec(
    tmp_path: Path, write_video: WriteVideo, write_json: WriteJson
) -> None:
    root = tmp_path / "timeit"
    write_video(root / "QuerYD/video-x.mkv")
    turn = {"q": "When?", "a": "The given query happens in 0.1 - 0.4 seconds."}
    record = {"video": "QuerYD/video-x", "QA": [turn], "source": "QuerYD"}
    write_json(root / "instruct_time.json", [record, record])
    index_corpus("timeit", root, tmp_path / "t.arrow")
    one, two = Manifest.open(tmp_path / "t.arrow")
    assert isinstance(one, AnnotatedVideo)
    assert (one.time_codec, one.turns[0].prompt) == ("seconds", "When?")
    assert one.path == str(root / "QuerYD/video-x.mkv")
    assert one.duration_seconds == pytest.approx(1.0)
    assert one.id != two.id
    assert one.path == two.path


def test_pictures_are_decoded_only_when_asked(tmp_path: Path, write_picture: WritePicture) -> None:
    root = tmp_path / "images"
    write_picture(root / "a.png")
    (root / "b.png").write_bytes(b"not a picture")
    for name in ("a", "b"):
        (root / f"{name}.txt").write_text(f"caption {name}")
    assert measure_coverage("image_folder", root).totals.present == 2
    report = measure_coverage("image_folder", root, checks=Checks(decode_images=True))
    assert (report.totals.present, report.totals.unreadable) == (1, 1)
    index_corpus("image_folder", root, tmp_path / "i.arrow", checks=Checks(decode_images=True))
    (image,) = Manifest.open(tmp_path / "i.arrow")
    assert image == ImageItem(
        id="a.png", caption="caption a", path=str(root / "a.png"), label="caption a"
    )


def test_what_an_index_writes_below_the_root_is_not_read_as_annotations(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.png").touch()
    (tmp_path / "a.jsonl").write_text('{"image": "a.png", "caption": "x"}\n{}\n')
    first = index_corpus("image_table", tmp_path, tmp_path / "a.arrow")
    assert first.totals.listed == 2
    assert index_corpus("image_table", tmp_path, tmp_path / "a.arrow") == first


def test_nothing_is_written_when_nothing_can_be_used(tmp_path: Path) -> None:
    root = tmp_path / "empty"
    root.mkdir()
    out = tmp_path / "out" / "a.arrow"
    with pytest.raises(ValueError, match="image_folder lists nothing in"):
        index_corpus("image_folder", root, out)
    (root / "a.jsonl").write_text('{"image": "gone.png", "caption": "x"}\n')
    with pytest.raises(ValueError, match=r"none of the 1 rows .*missing.*gone\.png"):
        index_corpus("image_table", root, out)
    assert list(out.parent.iterdir()) == []


@given(
    st.lists(
        st.sampled_from(
            [
                '{"image": "there.png", "caption": "x", "id": "%d"}',
                '{"image": "gone.png", "caption": "x", "id": "%d"}',
                '{"image": "../there.png", "caption": "x", "id": "%d"}',
                '{"image": "there.png", "caption": "", "id": "%d"}',
                '{"image": "there.png", "caption": "x", "id": "same"}',
                '{"image": "there.png", "caption": "x", "num_frames": NaN}',
                "broken",
                "[%d]",
            ]
        ),
        max_size=12,
    )
)
def test_present_missing_and_unreadable_add_up_to_what_is_listed(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    root = tmp_path_factory.mktemp("sums")
    (root / "there.png").touch()
    text = "".join(line.replace("%d", str(k)) + "\n" for k, line in enumerate(lines))
    (root / "a.jsonl").write_text(text)
    totals = measure_coverage("image_table", root).totals
    assert totals.present + totals.missing + totals.unreadable == len(lines)
    assert totals.missing == sum("gone" in line for line in lines)
    num_same = sum("same" in line for line in lines)
    num_good = sum('"there.png", "caption": "x", "id": "%d"' in line for line in lines)
    assert totals.present == num_good + min(num_same, 1)


def test_a_folder_is_listed_once_and_a_thumbnail_is_no_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.jpg", "b.JPG", "b.MP4", "c.webm", "c.mp4", "d", "e.mp4.part"):
        (tmp_path / name).touch()
    (tmp_path / "f.mp4").mkdir()
    (tmp_path / "g.mp4").symlink_to(tmp_path / "nowhere")
    calls = []
    real = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: (calls.append(str(path)), real(path))[1])
    folder = MediaFolder(tmp_path)
    assert folder.find(["a"]) is None
    assert folder.find(["a.jpg"]) == "a.jpg"
    assert folder.find(["b.mp4"]) is None
    assert folder.find(["b.MP4"]) == "b.MP4"
    assert folder.find(["x/c", "c"]) == "c.mp4"
    assert folder.find(["d"]) == "d"
    assert folder.find(["e", "f", "g", "f.mp4", "g.mp4"]) is None
    assert folder.find(["d/c"]) is None
    assert len(calls) == 3  # the root, x, d


@given(st.lists(st.text(max_size=3), max_size=300))
def test_ids_are_seen_as_a_set_sees_them(ids: list[str]) -> None:
    seen, expected = SeenIds(), set[str]()
    for item_id in ids:
        assert seen.add(item_id) == (item_id not in expected)
        expected.add(item_id)
    assert len(seen) == len(expected)


def test_many_ids_take_eight_to_twenty_four_bytes_each() -> None:
    seen = SeenIds()
    assert all(seen.add(f"id-{number}") for number in range(20_000))
    assert not any(seen.add(f"id-{number}") for number in range(0, 20_000, 97))
    assert 8 <= 8 * len(seen._slots) / len(seen) <= 27


def test_the_command_writes_a_manifest(
    kinetics: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "k.arrow"
    annotations = ["--annotations", str(kinetics / "train.csv")]
    arguments = ["index", "kinetics", str(kinetics), "--out", str(out), "--probe", "pts"]
    assert cli.main([*arguments, *annotations]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{out}\n"
    assert "57.1%" in captured.err
    manifest = Manifest.open(out)
    assert len(manifest) == 4
    assert manifest.command == (
        f"seqsynth index kinetics {kinetics} --annotations {kinetics / 'train.csv'} "
        f"--probe pts --out {out}"
    )


def test_the_command_says_in_one_line_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["index", "kinetic", str(tmp_path), "--out", str(tmp_path / "a")]) == 2
    assert "did you mean kinetics" in capsys.readouterr().err
    assert cli.main(["index", "kinetics", str(tmp_path), "--out", str(tmp_path / "a")]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert "name the annotations with --annotations" in captured.err
    arguments = ["index", "clip_folder", str(tmp_path), "--out", "a", "--workers", "0"]
    assert cli.main(arguments) == 2
    assert "num_workers must be at least 1" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
