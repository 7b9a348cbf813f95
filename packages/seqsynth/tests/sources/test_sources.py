import doctest
import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path

import pytest

from seqsynth import sources
from seqsynth.fetch import default_dir
from seqsynth.sources import SOURCES, Entry, SourceRow

Listed = Callable[..., list[Entry]]
Good = Callable[..., list[SourceRow]]


def test_there_is_a_source_for_each_format() -> None:
    assert set(SOURCES) == {
        *("llava_recap", "image_folder", "image_table", "image_tar", "coco_captions"),
        *("kinetics", "clip_folder", "clip_table"),
        *("timeit", "vtg_it", "valley", "sharegpt4video"),
        *("youcook2", "charades_sta", "activitynet_captions", "qvhighlights", "timelens_100k"),
        "default",
    }
    assert all(source.holds for source in SOURCES.values())


@pytest.mark.parametrize("name", [name for name, source in SOURCES.items() if source.patterns])
def test_a_folder_without_annotations_says_what_to_name(
    tmp_path: Path, listed: Listed, name: str
) -> None:
    with pytest.raises(FileNotFoundError, match="name the annotations with --annotations"):
        listed(name, tmp_path)


def test_what_is_asked_for_wrongly(tmp_path: Path, listed: Listed) -> None:
    with pytest.raises(ValueError, match="unknown source 'kinetic'; did you mean kinetics"):
        listed("kinetic", tmp_path)
    with pytest.raises(FileNotFoundError, match="absent is no folder"):
        listed("image_folder", tmp_path / "absent")
    with pytest.raises(FileNotFoundError, match=r"a\.csv: no such file"):
        listed("kinetics", tmp_path, tmp_path / "a.csv")
    (tmp_path / "a.csv").touch()
    with pytest.raises(ValueError, match="image_folder has no annotations to name"):
        listed("image_folder", tmp_path, tmp_path / "a.csv")


def test_two_annotations_of_one_name_are_refused(tmp_path: Path, listed: Listed) -> None:
    paths = [tmp_path / folder / "a.jsonl" for folder in ("x", "y")]
    for path in paths:
        path.parent.mkdir()
        path.write_text("")
    with pytest.raises(ValueError, match=r"two annotations are called a\.jsonl"):
        listed("image_table", tmp_path, *paths)


def test_annotations_that_hold_media_must_lie_below_the_root(
    tmp_path: Path, listed: Listed
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "a.tar").touch()
    with pytest.raises(ValueError, match=r"a\.tar holds media and must lie below the root"):
        listed("image_tar", root, tmp_path / "a.tar")


def test_the_embedded_default(fake_default: Callable[[], Path], good: Good) -> None:
    root = default_dir(fake_default())
    rows = good("default", root)
    assert {row.kind for row in rows} == {"image", "clip"}
    assert {row.part for row in rows} == {"train", "heldout"}
    assert all((root / row.paths[0]).is_file() for row in rows)
    assert all(row.num_frames == 25 for row in rows if row.kind == "clip")
    assert len({row.id for row in rows}) == len(rows)


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules(sources.__path__)])
def test_examples_in_docstrings_are_true(name: str) -> None:
    module = importlib.import_module(f"seqsynth.sources.{name}")
    failed, _ = doctest.testmod(module)
    assert failed == 0
