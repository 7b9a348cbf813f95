import io
import os
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from seqsynth import (
    FETCH_SETS,
    BenchmarkSpec,
    FilmSpec,
    build_default_benchmark,
    build_film_benchmark,
    film_video,
    generated,
    generated_corpus,
    load_frames,
    read_examples,
)
from seqsynth.benchmark_packages import FILM
from seqsynth.default_packages import Package
from seqsynth.fetch import default_dir, fetched_files
from seqsynth.frames import frame_times
from seqsynth.generated_list import generated_list
from seqsynth.records import FrameRef
from seqsynth.tasks import caption_key
from seqsynth.unpack import sha256_of, unpack

PACKAGES = {
    "GENERATED_API": generated.GENERATED_API,
    "GENERATED_VIDEO": generated.GENERATED_VIDEO,
}
ONLY_CLIPS = BenchmarkSpec(
    image_lengths=(), num_clip_sequences=3, max_clips=4, num_frames=16, clips_name="generated"
)


def animation() -> bytes:
    content = io.BytesIO()
    frames = [Image.new("RGB", (8, 8), (8 * k, 0, 255 - 8 * k)) for k in range(20)]
    frames[0].save(content, "WEBP", save_all=True, append_images=frames[1:], duration=50)
    return content.getvalue()


@pytest.fixture
def cache_dir(tmp_path: Path, registry: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with made-up animations under the names of the listed clips."""
    content = animation()
    for name, package in PACKAGES.items():
        files = {
            f"pack/templates/{clip.file}": content
            for clip in generated_list().clips
            if clip.part == package.part
        }
        pinned: Package = registry.publish(package, files | {"pack/templates/other.webp": content})
        unpack(pinned, registry.folder / pinned.filename, default_dir(tmp_path) / package.part)
        monkeypatch.setattr(generated, name, pinned)
    return tmp_path


def test_the_list_is_consistent() -> None:
    listed = generated_list()
    scenes = {clip.scene for clip in listed.clips}
    assert listed.heldout_scenes < scenes
    assert len({clip.file for clip in listed.clips}) == len(listed.clips) == 108
    assert len({caption_key(clip.caption) for clip in listed.clips}) == len(listed.clips)
    sides: dict[str, set[bool]] = defaultdict(set)
    for clip in listed.clips:
        assert re.fullmatch(r"[0-9a-f]{64}", clip.sha256)
        assert clip.part in {package.part for package in FETCH_SETS["clips"]}
        assert 4 <= len(clip.caption.split()) <= 14
        sides[clip.label].add(clip.scene in listed.heldout_scenes)
    assert all(len(side) == 1 for side in sides.values()), "no label stands on both sides"


def test_the_clips_stand_on_two_sides_by_scene(cache_dir: Path) -> None:
    corpus = generated_corpus(cache_dir)
    assert (len(corpus.train_clips), len(corpus.heldout_clips)) == (63, 45)
    scene_of = {clip.caption: clip.scene for clip in generated_list().clips}
    train, heldout = (
        {scene_of[clip.caption] for clip in clips}
        for clips in (corpus.train_clips, corpus.heldout_clips)
    )
    assert not train & heldout
    clip = corpus.heldout_clips[0]
    assert (clip.num_frames, clip.duration_seconds) == (20, 1.0)
    assert load_frames([FrameRef(clip.path, 19)], 8).shape == (1, 8, 8, 3)


def test_the_benchmark_shows_held_out_clips_under_its_own_name(
    cache_dir: Path, tmp_path: Path
) -> None:
    corpus = generated_corpus(cache_dir)
    counts = build_default_benchmark(corpus, tmp_path / "out", ONLY_CLIPS)
    assert set(counts) == {"generated_grounding", "generated_dense_captions"}
    held_out = {Path(clip.path).name for clip in corpus.heldout_clips}
    for example in read_examples(tmp_path / "out/examples.jsonl", media_root=corpus.root):
        assert {Path(frame.path).name for frame in example.frames} <= held_out


def test_what_is_not_fetched_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"generated-api is not there; run: .* fetch clips"):
        generated_corpus(tmp_path)


@pytest.mark.default_data
def test_the_real_film_and_clips_are_the_annotated_ones(tmp_path: Path) -> None:
    try:
        corpus, video = generated_corpus(), film_video()
    except FileNotFoundError as error:
        if "default_data" in os.environ.get("SEQ2TIME_REQUIRE", "").split(","):
            raise
        pytest.skip(str(error))
    sha256 = {
        path.name: sha256_of(path)
        for package in FETCH_SETS["clips"]
        for path in fetched_files(package, "clips")
    }
    assert sha256 == {clip.file: clip.sha256 for clip in generated_list().clips}
    assert corpus.content_hash.startswith("2f58d9402876")
    assert all(clip.num_frames >= 25 for clip in (*corpus.train_clips, *corpus.heldout_clips))
    counts = build_default_benchmark(
        corpus, tmp_path / "clips", BenchmarkSpec(image_lengths=(), clips_name="generated")
    )
    assert counts == {"generated_grounding": 244, "generated_dense_captions": 40}

    assert fetched_files(FILM, "film")[0] == Path(video.path)
    times = frame_times(video.path)
    assert len(times) == video.num_frames
    assert np.allclose(np.diff(times), 1 / 24, atol=1e-6)
    assert video.duration_seconds == pytest.approx(times[-1] + 1 / 24)
    counts = build_film_benchmark(video, tmp_path / "film", FilmSpec())
    assert counts == {"film_grounding": 119, "film_dense_captions": 9}
    # A cut of the film stands where the annotation says: the black eyes, then the meadow.
    eyes, meadow = load_frames([FrameRef(video.path, round(24 * s)) for s in (284.6, 284.8)], 32)
    assert np.abs(eyes.astype(int) - meadow).mean() > 40
