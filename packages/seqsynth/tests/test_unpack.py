import io
import json
import random
import stat
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from seqsynth.default_packages import NAMES, Package
from seqsynth.unpack import part_files, sha256_of, unpack, verify

ANYTHING = replace(NAMES, wanted=lambda path: True)


def write_zip(path: Path, names: list[str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, name)
    return path


@pytest.mark.parametrize("name", ["../../evil", "/etc/evil", "a/../../evil", "C:/evil"])
def test_no_member_is_written_outside_its_folder(tmp_path: Path, name: str) -> None:
    archive = write_zip(tmp_path / "a.whl", [name])
    part_dir = tmp_path / "cache" / "deep" / "part"
    unpack(ANYTHING, archive, part_dir)
    assert part_files(ANYTHING, part_dir) == ("evil",)
    assert list(tmp_path.rglob("evil")) == [part_dir / "evil"]


@pytest.mark.parametrize("name", ["a/..", "a\\b", "c:d", "x/manifest.json"])
def test_names_that_mean_something_to_a_file_system_are_refused(tmp_path: Path, name: str) -> None:
    archive = tmp_path / "a.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    with pytest.raises(ValueError, match="refusing to unpack a file named"):
        unpack(ANYTHING, archive, tmp_path / "part")
    assert list(tmp_path.iterdir()) == [archive]


@pytest.mark.parametrize(
    "kind", ["SYMTYPE", "LNKTYPE", "CHRTYPE", "BLKTYPE", "FIFOTYPE", "DIRTYPE"]
)
def test_links_and_devices_in_an_archive_are_left_out(tmp_path: Path, kind: str) -> None:
    archive = tmp_path / "a.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = getattr(tarfile, kind), "/etc/passwd"
        tar.addfile(link)
        tar.addfile(tarfile.TarInfo("file"), io.BytesIO())
    unpack(ANYTHING, archive, tmp_path / "part")
    assert part_files(ANYTHING, tmp_path / "part") == ("file",)


def test_a_link_in_a_wheel_is_a_file_that_names_its_target(tmp_path: Path) -> None:
    archive = tmp_path / "a.whl"
    with zipfile.ZipFile(archive, "w") as wheel:
        entry = zipfile.ZipInfo("a/link")
        entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        wheel.writestr(entry, "/etc/passwd")
    unpack(ANYTHING, archive, tmp_path / "part")
    assert not (tmp_path / "part/link").is_symlink()
    assert (tmp_path / "part/link").read_text() == "/etc/passwd"


@pytest.mark.parametrize("inner", ["", "a/inner.zip"])
def test_an_archive_that_would_fill_the_disk_is_refused(
    tmp_path: Path, inner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seqsynth.unpack.MAX_UNPACKED_BYTES", 3 << 20)
    archive = tmp_path / "bomb.whl"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as wheel:
        for number in range(1 if inner else 2):  # together too large, or one alone
            name = inner or f"a/{number}"
            wheel.writestr(name, bytes((4 << 20) if inner else (2 << 20)))
    assert archive.stat().st_size < 9000
    with pytest.raises(ValueError, match="the archive unpacks to more than"):
        unpack(replace(ANYTHING, inner=inner), archive, tmp_path / "part")
    assert list(tmp_path.iterdir()) == [archive]


@pytest.mark.parametrize("ending", ["whl", "tgz"])
def test_a_stream_that_breaks_inside_is_named(tmp_path: Path, ending: str) -> None:
    archive = tmp_path / f"broken.{ending}"
    data = random.Random(0).randbytes(100_000)
    if ending == "whl":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as wheel:
            wheel.writestr("a", data)
    else:
        with tarfile.open(archive, "w:gz") as tar:
            member = tarfile.TarInfo("a")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    content = bytearray(archive.read_bytes())
    content[5_000:60_000] = bytes(55_000)
    archive.write_bytes(content)
    with pytest.raises(ValueError, match=rf"broken\.{ending} cannot be read"):
        unpack(ANYTHING, archive, tmp_path / "part")
    assert list(tmp_path.iterdir()) == [archive]


@pytest.mark.parametrize(
    ("names", "reason"),
    [(["a/x", "b/x"], "two wanted files named x"), ([], "holds none of the wanted files")],
)
def test_an_archive_that_does_not_fit_leaves_the_old_part(
    tmp_path: Path, names: list[str], reason: str
) -> None:
    part_dir = tmp_path / "part"
    unpack(ANYTHING, write_zip(tmp_path / "old.whl", ["old"]), part_dir)
    with pytest.raises(ValueError, match=reason):
        unpack(ANYTHING, write_zip(tmp_path / "new.whl", names), part_dir)
    verify(ANYTHING, part_dir)
    assert part_files(ANYTHING, part_dir) == ("old",)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["new.whl", "old.whl", "part"]


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08 cut"])
def test_bytes_that_are_no_archive_are_named(tmp_path: Path, content: bytes) -> None:
    archive = tmp_path / "broken.tgz"
    archive.write_bytes(content)
    with pytest.raises(ValueError, match=r"broken\.tgz cannot be read"):
        unpack(ANYTHING, archive, tmp_path / "part")


def test_the_manifest_lists_every_file_with_its_checksum(tmp_path: Path) -> None:
    package: Package = replace(ANYTHING, sha256="f" * 64)
    part_dir = tmp_path / "part"
    unpack(package, write_zip(tmp_path / "a.whl", ["a/one", "b/two"]), part_dir)
    manifest = json.loads((part_dir / "manifest.json").read_text())
    assert (manifest["format_version"], manifest["sha256"]) == (1, "f" * 64)
    assert manifest["files"] == {name: [5, sha256_of(part_dir / name)] for name in ("one", "two")}
    with pytest.raises(FileNotFoundError, match="nowhere is not there"):
        part_files(package, tmp_path / "nowhere")
    (part_dir / "manifest.json").write_text(json.dumps(manifest | {"format_version": 2}))
    with pytest.raises(ValueError, match=r"manifest.json is of another version of seqsynth"):
        part_files(package, part_dir)


def test_an_archive_inside_the_archive_is_looked_into(tmp_path: Path) -> None:
    inner = write_zip(tmp_path / "inner.zip", ["a/film.mp4", "a/notes.txt"])
    archive = tmp_path / "outer.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(inner, "pack-1/docs/inner.zip")
        tar.add(inner, "pack-1/film.mp4")
    nested = replace(
        ANYTHING,
        inner="pack-1/docs/inner.zip",
        wanted=lambda path: path.endswith("film.mp4"),
    )
    unpack(nested, archive, tmp_path / "part")
    assert part_files(nested, tmp_path / "part") == ("film.mp4",)
    assert (tmp_path / "part/film.mp4").read_text() == "a/film.mp4"
    with pytest.raises(ValueError, match=r"outer\.tar\.gz holds no gone\.zip"):
        unpack(replace(nested, inner="gone.zip"), archive, tmp_path / "part")
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(__file__, "pack-1/docs/inner.zip")
    with pytest.raises(ValueError, match=r"outer\.tar\.gz cannot be read"):
        unpack(nested, archive, tmp_path / "part")
    assert part_files(nested, tmp_path / "part") == ("film.mp4",), "the old part survives"
