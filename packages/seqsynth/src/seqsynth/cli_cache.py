"""The command `seqsynth cache`."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TypeAlias

from seqsynth.frame_cache import MANIFEST_NAME, CacheSettings, estimate_cache, write_cache
from seqsynth.manifest import Manifest
from seqsynth.progress import shown_progress

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

_GIBIBYTE = 1 << 30
_SHOWN_FAILURES = 5


def add_commands(commands: Commands) -> None:
    """Adds `cache` to the commands of a parser."""
    defaults = CacheSettings()
    parser = commands.add_parser(
        "cache",
        help="write videos anew as JPEG frames, which are much cheaper to read",
        description=f"Says how large the cache will be, then writes DIR/{MANIFEST_NAME} and the "
        "videos that it lists: JPEG frames at some frames a second in QuickTime files. Use the "
        "new manifest in place of the old one; frames between those kept are gone. Videos that an "
        "earlier start has written are left alone where their files have kept size and time of "
        "change.",
    )
    parser.add_argument("manifest", type=Path, metavar="MANIFEST", help="what index wrote")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--fps", type=float, default=defaults.fps, help=f"frames a second; default {defaults.fps:g}"
    )
    parser.add_argument(
        "--short-edge", type=int, default=defaults.short_edge, metavar="PIXELS",
        help=f"larger pictures are made smaller; default {defaults.short_edge}",
    )  # fmt: skip
    parser.add_argument(
        "--quality", type=int, default=defaults.quality, help=f"default {defaults.quality}"
    )
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="default 1")
    parser.add_argument("--estimate", action="store_true", help="only say how large it will be")
    parser.add_argument(
        "--root", type=Path, metavar="DIR", help="where the videos lie, if not where they lay"
    )
    parser.set_defaults(run=_run_cache)


def _run_cache(arguments: argparse.Namespace) -> int:
    if arguments.workers < 1:
        raise ValueError(f"--workers must be at least 1, got {arguments.workers}")
    settings = CacheSettings(
        fps=arguments.fps, short_edge=arguments.short_edge, quality=arguments.quality
    )
    manifest = Manifest.open(arguments.manifest, arguments.root)
    size = estimate_cache(manifest, arguments.out, settings)
    sys.stderr.write(
        f"seqsynth: {size.num_frames:,} frames of {size.num_videos:,} videos, about "
        f"{size.num_bytes / _GIBIBYTE:,.3f} GiB; {size.free_bytes / _GIBIBYTE:,.1f} GiB are free\n"
    )
    if arguments.estimate:
        return 0
    if size.num_bytes - size.written_bytes > size.free_bytes:
        raise ValueError(
            "the cache will not fit: choose fewer --fps, a smaller --short-edge or another --out"
        )
    words = ["seqsynth", "cache", str(arguments.manifest), "--out", str(arguments.out)]
    words += ["--fps", f"{settings.fps:g}", "--short-edge", str(settings.short_edge)]
    words += ["--quality", str(settings.quality)]
    words += ["--root", str(arguments.root)] if arguments.root else []
    with shown_progress("videos") as (on_total, on_done):
        on_total(size.num_videos)
        num_videos, failures = write_cache(
            manifest,
            arguments.out,
            settings,
            num_workers=arguments.workers,
            command=shlex.join(words),
            on_done=on_done,
        )
    for failure in failures[:_SHOWN_FAILURES]:
        sys.stderr.write(f"seqsynth: left out: {failure}\n")
    if len(failures) > _SHOWN_FAILURES:
        sys.stderr.write(f"seqsynth: left out: {len(failures)} videos in all\n")
    if not num_videos:
        raise ValueError("no video could be cached")
    sys.stdout.write(f"{arguments.out / MANIFEST_NAME}\n")
    return 0
