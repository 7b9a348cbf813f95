"""What a run was made from: hashes of the data, versions, commit, machine."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from seqsynth import Corpus, load_templates
from vidllm.assembly import adapter_of
from vidllm.config import TrainConfig
from vidllm.config_json import to_json
from vidllm.data import TrainingData
from vidllm.run_folder import MANIFEST_NAME, write_atomically

PACKAGES = (
    "seq2time-vidllm",
    "seq2time-seqsynth",
    "seq2time-timetokens",
    "torch",
    "transformers",
    "peft",
    "accelerate",
    "numpy",
)


def write_manifest(run_dir: Path, config: TrainConfig, corpus: Corpus, data: TrainingData) -> None:
    """Writes manifest.json; a resumed run adds its start to the list of starts."""
    path = run_dir / MANIFEST_NAME
    starts: list[dict[str, Any]] = []
    if path.exists():
        starts = json.loads(path.read_text("utf-8")).get("starts", [])
    record = {
        "recipe": config.recipe,
        "config_sha256": hashlib.sha256(to_json(config).encode()).hexdigest(),
        "parts": dict(adapter_of(config.model).describe(config.model).provenance),
        "corpus": {
            "name": config.data.corpus,
            "content_sha256": corpus.content_hash,
            "train_images": len(corpus.train_images),
            "heldout_images": len(corpus.heldout_images),
            "train_clips": len(corpus.train_clips),
            "heldout_clips": len(corpus.heldout_clips),
        },
        "templates_sha256": {name: templates_sha256(name) for name in _wordings(config)},
        "example_streams": data.fingerprints,
        "starts": [*starts, _this_start()],
    }
    write_atomically(path, json.dumps(record, indent=2) + "\n")


def _wordings(config: TrainConfig) -> list[str]:
    """Every wording that questions of the run may have."""
    own = {name for stage in config.data.stages for name in stage.templates}
    return sorted(own | {config.data.templates})


def templates_sha256(name: str) -> str:
    """Hash of all wording that can reach an example."""
    return hashlib.sha256(load_templates(name).digest_text.encode()).hexdigest()


def _this_start() -> dict[str, Any]:
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "versions": {name: _version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "git_commit": _git_commit(),
        "machine": {
            "system": platform.platform(),
            "processor": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "gpus": _gpus(),
        },
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _gpus() -> list[str]:
    import torch

    return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]


def _git_commit() -> str | None:
    """The commit of the checkout that this code runs from; None where there is none."""
    here = Path(__file__).parent
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=here,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
