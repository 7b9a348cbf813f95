"""Visual features of all frames, computed once and kept.

The eye is frozen, so a frame's features never change: they are looked up by the content of the
file, the frame's number, the eye, the picture size and how seqsynth makes pixels of files.
Training then touches projector and LoRA alone. The cache is one safetensors file for each eye, size
and way of making pixels, replaced as a whole.

Shape suffixes: N frames, C features.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from seqsynth import ClipItem, Corpus, FrameRef, ImageItem, load_frames
from seqsynth.example_files import is_out_of_reach
from seqsynth.frames import PIXELS_VERSION
from seqsynth.unpack import sha256_of
from vidllm.adapters.base import Eye, Shown
from vidllm.scratch import keep_tensors

log = logging.getLogger(__name__)

CHUNK = 64
# All of the cache is written each time, so a large one is written less often.
SAVE_EVERY = 256  # frames; a killed start loses at most so much work,
SAVE_SHARE = 1 / 8  # or this share of what is kept


class FeatureStore:
    """Features of known frames, by (path, frame index).

    Args:
        features_NC: one row a frame.
        row_of: which row a frame has.
        clip_frame_step: of an animation only every n-th frame has features of its own; the
            others take those of the last one that has.
    """

    def __init__(
        self, features_NC: Tensor, row_of: dict[tuple[str, int], int], *, clip_frame_step: int = 1
    ):
        self.features_NC = features_NC
        self._row_of = row_of
        self.clip_frame_step = clip_frame_step

    def captions(self, caption_of: Mapping[str, str]) -> list[str]:
        """For each row, in order, the caption of its file; "" where there is none."""
        captions = [""] * len(self.features_NC)
        for (path, _), row in self._row_of.items():
            captions[row] = caption_of.get(path, "")
        return captions

    def like(self, rows_ND: Tensor) -> FeatureStore:
        """A store of other values for the same frames."""
        return FeatureStore(rows_ND, self._row_of, clip_frame_step=self.clip_frame_step)

    @property
    def width(self) -> int:
        """Features a frame."""
        return int(self.features_NC.shape[1])

    def inputs(self, shown: Sequence[Shown]) -> dict[str, Tensor]:
        """What `VideoLLM` takes of these sequences' frames: their features, (N, C)."""
        return {"features": self.lookup([frame for one in shown for frame in one.frames])}

    def lookup(self, frames: Sequence[FrameRef]) -> Tensor:
        """(N, C) features of the frames, in their order.

        Raises:
            KeyError: a frame whose features were not computed.
        """
        rows = []
        for frame in frames:
            key = (frame.path, frame.frame_index // self.clip_frame_step * self.clip_frame_step)
            if key not in self._row_of:
                raise KeyError(f"no features of frame {frame.frame_index} of {frame.path}")
            rows.append(self._row_of[key])
        return self.features_NC[torch.tensor(rows, dtype=torch.long)]


def side_by_side(stores: Sequence[FeatureStore], frames: Sequence[FrameRef]) -> FeatureStore:
    """One store whose rows are those of the others, side by side, for these frames alone.

    What else a cache has come to hold must not matter: products of matrices with more rows differ
    in the last bits, and a resumed run would too.
    """
    kept = list(dict.fromkeys(frames))
    rows_NC = torch.cat([store.lookup(kept) for store in stores], dim=1)
    row_of = {(frame.path, frame.frame_index): row for row, frame in enumerate(kept)}
    return FeatureStore(rows_NC, row_of, clip_frame_step=stores[0].clip_frame_step)


def frames_of_items(items: Iterable[ImageItem | ClipItem], clip_frame_step: int) -> list[FrameRef]:
    """Every frame that an example may show of these items."""
    return [
        FrameRef(item.path, index)
        for item in items
        for index in range(0, getattr(item, "num_frames", 1), clip_frame_step)
    ]


def frames_standing_for(frames: Iterable[FrameRef], clip_frame_step: int) -> list[FrameRef]:
    """Those whose features these frames take, each once; see `FeatureStore`."""
    step = clip_frame_step
    taken = (FrameRef(frame.path, frame.frame_index // step * step) for frame in frames)
    return list(dict.fromkeys(taken))


def frames_of_corpus(corpus: Corpus, clip_frame_step: int, *, heldout: bool) -> list[FrameRef]:
    """Every frame of the training side, and with `heldout` of the other one too."""
    items: list[ImageItem | ClipItem] = [*corpus.train_images, *corpus.train_clips]
    if heldout:
        items += [*corpus.heldout_images, *corpus.heldout_clips]
    return frames_of_items(items, clip_frame_step)


def build_features(
    frames: Sequence[FrameRef],
    load_eye: Callable[[], Eye],
    *,
    key: str,
    image_size: int,
    cache_dir: str | Path,
    clip_frame_step: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> FeatureStore:
    """Features of all frames, from the cache where they are there, else computed and added to it.

    Args:
        frames: which ones, repeats allowed.
        load_eye: called only when something is missing.
        key: names the eye; another key is another cache.
        image_size: pixels a side the eye sees.
        cache_dir: created when absent.
        clip_frame_step: see `FeatureStore`.
        progress: called with (frames done, frames to compute).

    Raises:
        FileNotFoundError: a picture is gone.
        ValueError: there are no frames.
    """
    if not frames:
        raise ValueError(
            "no frames to look at: the corpus has no stills, or the benchmark is empty"
        )
    cache_path = Path(cache_dir) / f"{key}-{image_size}px-pixels{PIXELS_VERSION}.safetensors"
    names = _content_names(frames)
    known, parts = _read_cache(cache_path)
    num_kept = len(known)
    missing = [name for name in dict.fromkeys(names.values()) if name not in known]
    frame_of = {name: frame for frame, name in names.items()}
    eye = load_eye() if missing else None
    for start in range(0, len(missing), CHUNK):
        assert eye is not None
        chunk = missing[start : start + CHUNK]
        frames_FHWC = load_frames([frame_of[name] for name in chunk], image_size)
        parts.append(eye.features(torch.from_numpy(frames_FHWC)))
        known.update({name: len(known) + offset for offset, name in enumerate(chunk)})
        done = start + len(chunk)
        num_new = len(known) - num_kept
        if done == len(missing) or num_new >= max(SAVE_EVERY, SAVE_SHARE * num_kept):
            parts = [torch.cat(parts)]
            _write_cache(cache_path, known, parts[0])
            num_kept = len(known)
        if progress is not None:
            progress(done, len(missing))
    row_of = {(f.path, f.frame_index): known[name] for f, name in names.items()}
    return FeatureStore(parts[0], row_of, clip_frame_step=clip_frame_step)


def _content_names(frames: Iterable[FrameRef]) -> dict[FrameRef, str]:
    """A name for each frame that holds on every machine: the file's hash and the frame number."""
    digests: dict[str, str] = {}
    names = {}
    for frame in frames:
        if frame.path not in digests:
            digests[frame.path] = sha256_of(Path(frame.path))[:32]
        names[frame] = f"{digests[frame.path]}:{frame.frame_index}"
    return names


def _read_cache(path: Path) -> tuple[dict[str, int], list[Tensor]]:
    """The row of each name, and the rows, if any; none when there is no cache or it is damaged."""
    if not path.exists():
        return {}, []
    try:
        with safe_open(path, framework="pt") as handle:
            metadata = handle.metadata()
            features_NC = handle.get_tensor("features")
        names = json.loads(metadata["names"])
        if hashlib.sha256(features_NC.numpy().tobytes()).hexdigest() != metadata["sha256"]:
            raise ValueError("checksum does not match")
        return {name: row for row, name in enumerate(names)}, [features_NC]
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        if is_out_of_reach(error):  # it may be whole, and would be replaced
            raise
        log.warning("%s is damaged (%s): computing the features again", path, error)
        return {}, []


def _write_cache(path: Path, known: dict[str, int], features_NC: Tensor) -> None:
    metadata = {
        "names": json.dumps(list(known)),
        "sha256": hashlib.sha256(features_NC.numpy().tobytes()).hexdigest(),
    }
    keep_tensors({"features": features_NC}, path, metadata)
