"""Annotations, recipes and files of others, damaged: seqsynth reads them or names them."""

import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from fuzz import FUZZED, json_bytes, jsonl_bytes, scratch_file, spoilt_bytes, value_or_error
from seqsynth import Corpus, FrameRef, ImageItem, Manifest, SequenceDataset, SequenceRecipe
from seqsynth.caption.prompts import load_prompt
from seqsynth.caption.settings import CaptionSettings
from seqsynth.caption.writing import corpus_root, open_folder
from seqsynth.coverage_tables import coverage_page
from seqsynth.default_packages import NAMES
from seqsynth.example_files import read_examples
from seqsynth.frame_parquet import FrameParquetWriter, read_frame_parquet
from seqsynth.frame_tar import FrameTarWriter, read_frame_tar
from seqsynth.frames import MediaError, load_frames
from seqsynth.index import measure_coverage
from seqsynth.index_checks import Checks
from seqsynth.index_probe import ProbeError, probe_video
from seqsynth.manifest_schema import ManifestRow
from seqsynth.manifest_writer import write_manifest
from seqsynth.mixture_recipes import load_recipe
from seqsynth.sources import SOURCES, source_rows
from seqsynth.templates import load_templates
from seqsynth.testing import write_zoo
from seqsynth.unpack import part_files
from seqsynth.webp_timing import webp_timing

TURNS = [{"from": "human", "value": "<video> When?"}, {"from": "gpt", "value": "at 3.0 seconds"}]
CAPTIONS = [{"idx": "-1", "content": "a man cooks"}, {"idx": "0", "content": "a pan"}]
QA = {"video": "a/b.mp4", "QA": [{"q": "When?", "a": "1.0 - 2.0 seconds"}], "source": "x"}
LONG = {"duration": 9.5, "timestamps": [[0, 9], [1, 2]], "sentences": ["cut", "fry"]}
COOKED = {"duration": 9, "subset": "training", "recipe_type": "113"}
COOKED |= {"annotations": [{"segment": [0, 9], "sentence": "cut"}]}
COCO = {"image_id": "v/a.mp4", "duration": 9, "segments": [[0, 9]], "pure_cap": "cut"}
WINDOW = {"qid": 1, "query": "cut", "vid": "a", "duration": 9, "relevant_windows": [[0, 9]]}
QUERIES = {"source": "s", "video_path": "a.mp4", "duration": 9}
QUERIES |= {"events": [{"query": "cut", "span": [[0, 9]]}, {"query": "fry", "span": [1, 2]}]}
SHARED = {"video_id": "a", "video_path": "p/a.mp4", "captions": CAPTIONS, "zip_folder": "p/1.zip"}
VALLEY = {"v_id": "12345678901_000001_000011", "video": "a.mp4", "source": "VATEX"}
VALLEY |= {"conversations": TURNS}
ITEM = {"id": "i", "path": "a.png", "caption": "a cat", "label": "cat", "num_frames": 9}
ITEM |= {"duration_seconds": 1.5}

PAINTED = {"images": [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}]}
PAINTED |= {"annotations": [{"image_id": 1, "caption": "a cat"}, {"image_id": 2, "caption": ""}]}

TEXT_SOURCES: dict[str, tuple[str, st.SearchStrategy[bytes]]] = {
    "coco_captions": ("captions_val.json", json_bytes([PAINTED])),
    "image_table": ("t.jsonl", jsonl_bytes([ITEM, ITEM])),
    "clip_table": ("t.csv", spoilt_bytes([b"path,caption,label\na.mp4,a cat,x\nb.mp4,,y\n"])),
    "kinetics": (
        "k.csv",
        spoilt_bytes([b'label,youtube_id,time_start,time_end,split\n"a, b",id,1,11,train\n' * 2]),
    ),
    "charades_sta": (
        "charades_sta_train.txt",
        spoilt_bytes([b"a 0.0 9.0##cuts.\nb 1 2##fries.\n"]),
    ),
    "qvhighlights": ("highlight_train.jsonl", jsonl_bytes([WINDOW, WINDOW])),
    "sharegpt4video": ("sharegpt4video.jsonl", jsonl_bytes([SHARED, SHARED])),
    "timeit": ("instruct_time.json", json_bytes([[QA, QA]])),
    "vtg_it": ("vtg_it.jsonl", jsonl_bytes([QA, QA])),
    "timelens_100k": ("timelens.jsonl", jsonl_bytes([QUERIES, QUERIES])),
    "valley": ("valley.json", json_bytes([[VALLEY, QA]])),
    "youcook2": (
        "youcookii.json",
        json_bytes([{"database": {"a": COOKED, "b": COOKED}}, {"annotations": [COCO, COCO]}]),
    ),
    "activitynet_captions": ("train.json", json_bytes([{"v_a": LONG, "v_b": LONG}])),
}


def _jpeg() -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (8, 8), (200, 10, 10)).save(content, "JPEG")
    return content.getvalue()


def _tar() -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for name, data in {
            "1.jpg": _jpeg(),
            "1.txt": b"a cat",
            "2.json": b'{"caption": "b"}',
        }.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return content.getvalue()


def _parquet() -> bytes:
    content = io.BytesIO()
    picture = {"bytes": _jpeg(), "path": "a.jpg"}
    rows = [{"id": str(k), "image": picture, "conversations": TURNS} for k in range(3)]
    pq.write_table(pa.Table.from_pylist(rows), content)
    return content.getvalue()


BINARY_SOURCES = {"image_tar": ("1.tar", _tar()), "llava_recap": ("1.parquet", _parquet())}


def checked(name: str, path: Path) -> None:
    """Whatever the annotation holds, it is counted row by row or refused by name."""
    entries = value_or_error(
        lambda: list(source_rows(name, path.parent, [path])), ValueError, path.name
    )
    if entries is None:
        return
    for entry in entries:
        for media in getattr(entry, "paths", ()):
            assert not Path(media).is_absolute()
            assert ".." not in Path(media).parts
    report = measure_coverage(
        name, path.parent, annotations=[path], checks=Checks(probe="none", num_workers=1)
    )
    assert report.totals.listed == len(entries)
    json.dumps(report.to_record())
    coverage_page(report).encode()


@FUZZED
@given(st.data())
def test_annotations(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(TEXT_SOURCES)))
    file_name, contents = TEXT_SOURCES[name]
    checked(name, scratch_file(file_name, data.draw(contents)))


@FUZZED
@given(st.sampled_from(sorted(BINARY_SOURCES)), st.data())
def test_shards(name: str, data: st.DataObject) -> None:
    file_name, content = BINARY_SOURCES[name]
    checked(name, scratch_file(file_name, data.draw(spoilt_bytes([content]))))


def _stream() -> SequenceDataset:
    path = scratch_file("a.jpg", _jpeg())
    items = [
        ImageItem(id=f"i{k}", caption=f"colour {k}", path=str(path), label="x") for k in range(8)
    ]
    recipe = SequenceRecipe(tasks={"iig": 1}, min_images=2, max_images=2, num_examples=3)
    return SequenceDataset(
        Corpus(
            train_images=items,
            heldout_images=(),
            train_clips=(),
            heldout_clips=(),
            root=str(path.parent),
        ),
        recipe,
        0,
    )


RECORD = _stream()[0].to_record()


@FUZZED
@given(jsonl_bytes([RECORD, RECORD]))
@example(b"[" * 100_000)
@example(b'{"a": ' + b"9" * 5000 + b"}")
@example(b"\xff")
@example(json.dumps({**RECORD, "duration_seconds": 10**400}).encode())
@example(json.dumps({**RECORD, "id": "\ud800"}).encode())
def test_examples(content: bytes) -> None:
    path = scratch_file("examples.jsonl", content)
    for one in value_or_error(lambda: list(read_examples(path)), ValueError, path) or []:
        one.to_json().encode()


RECIPES = [
    b'base = "paper"\nmax_images = 16\ncodec = "seconds"\n[tasks]\niig = 1.0\ndvc = 2\n',
    b'base = "paper_phase1"\nwithout = ["valley"]\n[parts.timeit]\nshare = 0.2\n[sequences]\n'
    b"max_clips = 4\n",
    b'[parts.one]\ncount = 9\nsources = ["timeit"]\n[parts.two]\ncount = 3\n'
    b"[parts.two.tasks]\niig = 1\n",
]


@FUZZED
@given(spoilt_bytes(RECIPES))
@example(b"parts = 1")
@example(b'base = "paper_phase1"\nwithout = 1')
@example(b'base = "paper_phase1"\nwithout = [["valley"]]')
@example(b'base = "paper_phase1"\nsequences = 1')
@example(b'base = "paper_phase1"\n[parts]\ntimeit = 1')
@example(b"a = " + b"[" * 20_000)
def test_recipes(content: bytes) -> None:
    path = scratch_file("recipe.toml", content)
    value_or_error(lambda: load_recipe(str(path)), ValueError, path)


PROMPT = b'[mine]\ntext = "What of {label}?"\ntext_without_label = "What is it?"\n'
TEMPLATES = (
    Path(__file__).parents[2].joinpath("packages/seqsynth/src/seqsynth/templates/brief.toml")
)


@FUZZED
@given(spoilt_bytes([PROMPT, TEMPLATES.read_bytes()]))
@example(b"a = " + b"[" * 20_000)
@example(b'[mine]\ntext = "{label.__class__}"\ntext_without_label = "What is it?"\n')
def test_prompts_and_templates(content: bytes) -> None:
    path = scratch_file("texts.toml", content)
    value_or_error(lambda: load_prompt(str(path)), ValueError, path)
    load_templates.cache_clear()
    value_or_error(lambda: load_templates(str(path)), ValueError, path)


def _built(kind: type[FrameTarWriter] | type[FrameParquetWriter]) -> bytes:
    stream, path = _stream(), scratch_file("built", b"")
    with kind(path, media_root=stream.corpus.root, quality=80) as writer:
        for number in range(2):
            writer.add(f"{number}", stream[number], load_frames(stream[number].frames, 8))
    return path.read_bytes()


@FUZZED
@given(spoilt_bytes([_built(FrameTarWriter)]))
@example(b"")
def test_tar_files_of_examples(content: bytes) -> None:
    path = scratch_file("frames.tar", content)
    value_or_error(lambda: list(read_frame_tar(path)), ValueError, path)


@FUZZED
@given(spoilt_bytes([_built(FrameParquetWriter)]))
def test_parquet_files_of_examples(content: bytes) -> None:
    path = scratch_file("frames.parquet", content)
    value_or_error(lambda: list(read_frame_parquet(path)), ValueError, path)


def _manifest() -> bytes:
    path = scratch_file("whole.arrow", b"")
    row = ManifestRow(id="a", kind="image", path="a.png", caption="y", source="test")
    clip = replace(row, id="b", kind="clip", label="x", duration_seconds=1.0, num_frames=9)
    write_manifest([row, clip], path, root=path.parent, command="test")
    return path.read_bytes()


@FUZZED
@given(spoilt_bytes([_manifest()]))
def test_manifests(content: bytes) -> None:
    path = scratch_file("clips.arrow", content)
    manifest = value_or_error(lambda: Manifest.open(path), ValueError, path)
    if manifest is not None and value_or_error(lambda: (manifest.verify(), 1), ValueError, path):
        for kind in ("image", "clip", "video"):
            list(manifest.select(kind=kind))  # type: ignore[call-overload]


CAPTION_SETTINGS = CaptionSettings(backend="server", model="m", prompt=load_prompt("factual"))
FOLDER_RECORD = {"format_version": 1, "settings": CAPTION_SETTINGS.to_record()}
FOLDER_RECORD |= {"corpus": {"root": "/x"}}


@FUZZED
@given(json_bytes([FOLDER_RECORD]))
def test_settings_of_a_folder_of_captions(content: bytes) -> None:
    path = scratch_file("caption.json", content)
    value_or_error(lambda: open_folder(path.parent, CAPTION_SETTINGS, {}), ValueError, path)
    value_or_error(lambda: corpus_root(path.parent), ValueError, path)


@FUZZED
@given(json_bytes([{"archive": "a", "sha256": NAMES.sha256, "files": {"x": [0, "ab"]}}]))
def test_manifests_of_fetched_parts(content: bytes) -> None:
    path = scratch_file("manifest.json", content)
    scratch_file("x", b"")
    value_or_error(
        lambda: part_files(NAMES, path.parent), (ValueError, FileNotFoundError), path.parent
    )


def _animation() -> bytes:
    content = io.BytesIO()
    frames = [Image.new("RGB", (8, 8), (9 * k, 0, 0)) for k in range(3)]
    frames[0].save(content, "WEBP", save_all=True, append_images=frames[1:], duration=40)
    return content.getvalue()


def _video() -> bytes:
    path = scratch_file("cfr.mp4", b"")
    return write_zoo(path.parent, ["cfr.mp4"])["cfr.mp4"].read_bytes()


MEDIA = {"a.webp": _animation(), "a.jpg": _jpeg(), "a.mp4": _video()}


@FUZZED
@given(st.sampled_from(sorted(MEDIA)), st.data())
def test_media(name: str, data: st.DataObject) -> None:
    path = scratch_file(name, data.draw(spoilt_bytes([MEDIA[name]])))
    value_or_error(lambda: probe_video(path, "pts"), ProbeError, "")
    value_or_error(lambda: load_frames([FrameRef(str(path), 0)], 8), MediaError, path)
    if name.endswith(".webp"):
        value_or_error(lambda: webp_timing(path), ValueError, path)


def test_every_source_of_files_is_fed() -> None:
    fed = {*TEXT_SOURCES, *BINARY_SOURCES}
    assert {name for name, source in SOURCES.items() if source.patterns} == fed
