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
from vidllm.mixture_data import mixture_recipe, sequences_of
from vidllm.run_folder import MANIFEST_NAME, read_manifest, write_atomically

FORMAT_VERSION = 1
# A disk that machines share stands still for seconds now and then; no run waits for it for ever.
_GIT_SECONDS = 60.0

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


def write_manifest(
    config: TrainConfig, corpus: Corpus, data: TrainingData, run_dir: str | Path
) -> None:
    """Writes manifest.json; a resumed run adds its start to the list of starts.

    Raises:
        RunFolderError: the one of the earlier starts is damaged.
    """
    record = {
        "format_version": FORMAT_VERSION,
        "recipe": config.recipe,
        "config_sha256": hashlib.sha256(to_json(config).encode()).hexdigest(),
        "parts": dict(adapter_of(config.model).describe(config.model).provenance),
        "corpus": {
            "name": config.data.root or config.data.corpus,
            "content_sha256": corpus.content_hash,
            "train_images": len(corpus.train_images),
            "heldout_images": len(corpus.heldout_images),
            "train_clips": len(corpus.train_clips),
            "heldout_clips": len(corpus.heldout_clips),
        },
        "templates_sha256": {name: templates_sha256(name) for name in _wordings(config)},
        "example_streams": data.fingerprints,
        "starts": [*read_manifest(run_dir).get("starts", []), _this_start()],
    }
    write_atomically(json.dumps(record, indent=2) + "\n", Path(run_dir) / MANIFEST_NAME)


def _wordings(config: TrainConfig) -> list[str]:
    """Every wording that questions of the run may have, those of `vidllm ground` among them."""
    names = {config.data.templates}
    for stage in config.data.stages:
        if config.data.mixture_of(stage):
            names.add(sequences_of(mixture_recipe(config, stage)).templates)
        else:
            names.update(stage.templates)
    return sorted(names)


def templates_sha256(name: str) -> str:
    """Hash of all wording that can reach an example."""
    return hashlib.sha256(load_templates(name).digest_text.encode()).hexdigest()


def _this_start() -> dict[str, Any]:
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "versions": {name: _version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "git_commit": git_commit(Path(__file__)),
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


def git_commit(file: Path) -> str | None:
    """The commit of the checkout that has this file; None where there is none.

    It ends in `-dirty` where something tracked has changed since, pages aside: commands write
    some while the next runs start (`reproduce --update-docs`), and no run reads them. An
    environment may lie in the checkout of something else, which says nothing of what is in it.
    """
    here = file.parent
    if _git("ls-files", "--error-unmatch", file.name, cwd=here) is None:
        return None
    commit = _git("rev-parse", "--verify", "HEAD", cwd=here)
    tracked = ("--no-optional-locks", "status", "--porcelain", "--untracked-files=no")
    pages = (":(top,exclude)docs", ":(top,exclude)*.md")
    changed = _git(*tracked, "--", ":/", *pages, cwd=here)
    if commit is None or changed is None:
        return None
    return f"{commit}-dirty" if changed else commit


def _git(*arguments: str, cwd: Path) -> str | None:
    """What git prints; None where it is absent, or refuses."""
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
