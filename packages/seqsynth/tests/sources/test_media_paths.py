import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsynth.sources import RowError
from seqsynth.sources.media_paths import in_folders, safe_path, split_suffix


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a.mp4", "a.mp4"),
        ("./a//b.mp4 ", "a/b.mp4"),
        ("a\\b.mp4", "a/b.mp4"),
        ("-abc.mp4", "-abc.mp4"),
        ("a..b/...mp4", "a..b/...mp4"),
        ("abc:1.mp4", "abc:1.mp4"),
    ],
)
def test_paths_are_relative_with_slashes(text: str, path: str) -> None:
    assert safe_path(text) == path


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("../a.mp4", "path leaves the root"),
        ("a/../../b.mp4", "path leaves the root"),
        ("a\\..\\..\\b.mp4", "path leaves the root"),
        ("/etc/passwd", "path leaves the root"),
        ("C:\\a.mp4", "path leaves the root"),
        ("", "path names no file"),
        (".", "path names no file"),
        ("a\0b", "path names no file"),
        ("a\udce9.mp4", "path is not UTF-8"),
    ],
)
def test_paths_that_are_no_good(text: str, reason: str) -> None:
    with pytest.raises(RowError) as caught:
        safe_path(text)
    assert caught.value.reason == reason


@given(st.text(max_size=30))
def test_whatever_is_written_the_path_stays_below_the_root(text: str) -> None:
    try:
        path = safe_path(text)
    except RowError:
        return
    assert path
    assert not path.startswith("/")
    assert ".." not in path.split("/")
    assert safe_path(path) == path or path != path.strip()


def test_only_endings_of_media_are_endings() -> None:
    assert split_suffix("abc_60.0_210.0") == ("abc_60.0_210.0", "")
    assert split_suffix("a.MP4") == ("a", ".MP4")
    assert split_suffix(".mp4") == (".mp4", "")


def test_a_folder_is_named_once() -> None:
    assert in_folders(["a", "", "a"], "b.mp4") == ("a/b.mp4", "b.mp4")
