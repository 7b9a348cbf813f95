"""The settings of one stage of training; see vidllm.config for those of the whole run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vidllm.setting_checks import require

Supervised = Literal["answers", "codes"]
Decay = Literal["constant", "linear", "cosine"]

_COUNTS = (
    "num_turns",
    "max_targets",
    "images_per_caption_example",
    "num_clip_frames",
    "num_clip_turns",
    "num_film_frames",
    "num_film_turns",
)
_SHARES = (
    "curriculum_fraction",
    "still_clip_fraction",
    "text_fraction",
    "decay_fraction",
    "final_scale",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class StageConfig:
    """One stretch of training: what is shown, and how fast each part learns."""

    name: str
    num_steps: int
    mixture: str = ""
    """A mixture or recipe of seqsynth, by name or TOML file, instead of the shares below; none:
    data.mixture."""
    caption_weight: float = 0.0
    """Share of batches that show pictures, each followed by its caption (aligns the projector)."""
    image_weight: float = 1.0
    """Share of batches with image sequences (IIG, IIC, ALR)."""
    clip_weight: float = 0.0
    """Share of batches with clip sequences (DVC, TVG)."""
    film_weight: float = 0.0
    """Share of batches with windows of the default's annotated film (DVC, TVG)."""
    min_images: int = 4
    max_images: int = 12
    """Images a sequence; one length a batch. See curriculum_fraction."""
    num_turns: int = 8
    """Questions about one image sequence, at most one for each image."""
    max_targets: int = 1
    """Captions or places that one question may name."""
    task_weights: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Shares of IIG, IIC and ALR among image sequences."""
    min_clips: int = 2
    max_clips: int = 5
    num_clip_frames: int = 24
    """Frames of a clip sequence."""
    num_clip_turns: int = 3
    """Questions about one clip sequence (TVG)."""
    clip_task_weights: tuple[float, float] = (1.0, 1.0)
    """Shares of DVC and TVG among clip sequences and windows of the film."""
    num_film_frames: int = 24
    """Frames of a window of the film."""
    num_film_turns: int = 6
    """Questions about one window (TVG)."""
    curriculum_fraction: float = 0.6
    """The longest length grows from min_images to max_images over this share of the stage."""
    images_per_caption_example: int = 8
    """Pictures in one example of caption batches."""
    text_fraction: float = 0.0
    """Share of image sequences that show some frames by caption text instead of the picture."""
    still_clip_fraction: float = 0.0
    """Share of clip batches whose clips are stills, each held for as long as a clip lasts."""
    templates: tuple[str, ...] = ()
    """Wordings of this stage's questions, one drawn for each batch; none: data.templates."""
    supervise: Supervised | None = None
    """In place of prompt.supervise."""
    projector_scale: float = 1.0
    """Factor on optim.projector_learning_rate."""
    lora_scale: float = 1.0
    """Factor on optim.lora_learning_rate and optim.token_learning_rate; 0 freezes them."""
    warmup_steps: int = 10
    """The rates rise over so many steps; the decay, counted from the stage's start, waits for it.
    """
    warmup_start: float | None = None
    """What is there of the rates at the first step; none: as much as each step adds."""
    decay: Decay = "linear"
    decay_fraction: float = 0.3
    """The decay takes this last share of the stage."""
    final_scale: float = 0.05
    """What is left of the learning rates at the end of the stage."""

    def __post_init__(self) -> None:
        """Refuse values that cannot work."""
        prefix = f"stage {self.name!r}"
        require(self.num_steps >= 1, f"{prefix} num_steps", self.num_steps, "give at least 1")
        weights = (self.caption_weight, self.image_weight, self.clip_weight, self.film_weight)
        require(
            min(weights) >= 0 and sum(weights) > 0,
            f"{prefix} weights",
            weights,
            "none below 0, not all 0",
        )
        require(
            2 <= self.min_images <= self.max_images,
            f"{prefix} images",
            (self.min_images, self.max_images),
            "give 2 <= min_images <= max_images",
        )
        for name in _COUNTS:
            value = getattr(self, name)
            require(value >= 1, f"{prefix} {name}", value, "give at least 1")
        require(
            2 <= self.min_clips <= self.max_clips,
            f"{prefix} clips",
            (self.min_clips, self.max_clips),
            "give 2 <= min_clips <= max_clips",
        )
        for name in ("task_weights", "clip_task_weights"):
            shares = getattr(self, name)
            require(
                min(shares) >= 0 and sum(shares) > 0,
                f"{prefix} {name}",
                shares,
                "none below 0, not all 0",
            )
        for name in _SHARES:
            value = getattr(self, name)
            require(0 <= value <= 1, f"{prefix} {name}", value, "give a share from 0 to 1")
        if self.warmup_start is not None:
            require(
                0 <= self.warmup_start <= 1,
                f"{prefix} warmup_start",
                self.warmup_start,
                "give a share from 0 to 1",
            )
        for name in ("projector_scale", "lora_scale", "warmup_steps"):
            value = getattr(self, name)
            require(value >= 0, f"{prefix} {name}", value, "give 0 or more")
