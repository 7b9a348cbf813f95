"""AI-generated clips as items: photoreal in the main, captions and split of our own."""

from pathlib import Path

from seqsynth.benchmark_packages import GENERATED_API, GENERATED_VIDEO
from seqsynth.corpus import Corpus
from seqsynth.fetch import default_dir, fetched_files
from seqsynth.generated_list import generated_list
from seqsynth.records import ClipItem
from seqsynth.webp_timing import webp_timing


def generated_corpus(cache_dir: str | Path | None = None) -> Corpus:
    """The fetched clips, split by scene; there are no stills.

    Args:
        cache_dir: default `default_cache_dir()`.

    Raises:
        FileNotFoundError: not fetched yet, or damaged (says what to run).
    """
    path_of = {
        (package.part, path.name): path
        for package in (GENERATED_API, GENERATED_VIDEO)
        for path in fetched_files(package, "clips", cache_dir)
    }
    listed = generated_list()
    train: list[ClipItem] = []
    heldout: list[ClipItem] = []
    for clip in listed.clips:
        path = path_of[clip.part, clip.file]
        num_frames, duration_seconds = webp_timing(path)
        clip_id = f"{clip.part}:{path.stem}"
        side = heldout if clip.scene in listed.heldout_scenes else train
        side.append(
            ClipItem(
                id=clip_id,
                label=clip.label,
                caption=clip.caption,
                path=str(path),
                num_frames=num_frames,
                duration_seconds=duration_seconds,
            )
        )
    return Corpus(
        train_images=(),
        heldout_images=(),
        train_clips=tuple(train),
        heldout_clips=tuple(heldout),
        root=str(default_dir(cache_dir)),
    )
