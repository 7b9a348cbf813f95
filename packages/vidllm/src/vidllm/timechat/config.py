"""Sizes of TimeChat and Video-LLaMA, and what the originals do otherwise than one would.

TimeChat: arXiv:2312.02051; Video-LLaMA: arXiv:2306.02858, which is the same without the time text
and with one window. The default is the corrected behaviour; `compat("timechat")` is the original's,
bugs included, for released weights and published numbers. How frames are chosen is a switch of
seqsynth's mixtures (`compat` there).
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

COMPATIBLE_WITH = ("timechat",)
FORMAT_VERSION = 1
"""Of the configuration as a file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Differences:
    """What the original does otherwise; every default is the corrected behaviour.

    The commands follow four of them: text_outputs_reach_video, labels_break_off,
    asked_with_other_system and message_followed_by_two_spaces. The others are for loops of one's
    own, which call `prompt.frame_text_tokenizer`, `prompt.attention_mask`, `TimeChat.generate` or
    `frames.cropped`: the commands know the lengths of texts, answer greedily and crop nothing.
    """

    text_outputs_reach_video: bool = False
    """The video Q-Former also sees the frame Q-Former's outputs at the time text, its padding
    included, so that a video's encoding depends on its batch. Default: the queries alone."""
    frame_text_in_llm_tokens: bool = False
    """Training looks ids of the language model's tokenizer up in the table of BERT's words.
    Default: the frame Q-Former's own tokenizer, as when the model is asked."""
    unknown_is_padding: bool = False
    """Tokens that the tokenizer does not know are masked like padding. Default: they are seen."""
    labels_break_off: bool = False
    """Where an answer holds "[/INST] ", it and what follows are not learned. Default: they are."""
    asked_with_other_system: bool = False
    """Questions come with another system text than training showed, and the texts before and after
    the video are tokenised apart. Default: as in training."""
    message_followed_by_two_spaces: bool = False
    """When the model is asked, two spaces stand between the frames' times and the question, where
    training has one. Default: one."""
    sampled_answers: bool = False
    """Answers are drawn from the top 0.8 of the distribution. Default: greedy."""
    crop_wraps_around: bool = False
    """Pixels that the crop's bicubic filter drives out of 0..255 wrap around. Default: they are
    clamped."""


def compat(original: str) -> Differences:
    """The switches that make the model equal an original.

    Args:
        original: one of COMPATIBLE_WITH.

    Raises:
        ValueError: another name.
    """
    if original not in COMPATIBLE_WITH:
        raise ValueError(f"no switches for {original!r}: there is {', '.join(COMPATIBLE_WITH)}")
    return Differences(**{field.name: True for field in dataclasses.fields(Differences)})


@dataclass(frozen=True, kw_only=True, slots=True)
class VisionSizes:
    """EVA-ViT-g without its last block; the embeddings of all patches and of CLS go on."""

    image_size: int = 224
    patch_size: int = 14
    width: int = 1408
    num_layers: int = 39
    num_heads: int = 16
    mlp_width: int = 6144


@dataclass(frozen=True, kw_only=True, slots=True)
class QFormerSizes:
    """What both Q-Formers share; BERT-base."""

    width: int = 768
    num_heads: int = 12
    mlp_width: int = 3072
    vocab_size: int = 30523
    """Rows of the word table: BERT's 30,522 and one that BLIP added."""
    num_positions: int = 512
    dropout: float = 0.1
    num_frame_layers: int = 12
    frame_cross_attention_every: int = 2
    num_frame_queries: int = 32
    num_video_layers: int = 2
    num_video_queries: int = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class LlamaSizes:
    """The language model; LLaMA-2 7B chat."""

    vocab_size: int = 32000
    hidden_size: int = 4096
    intermediate_size: int = 11008
    num_hidden_layers: int = 32
    num_attention_heads: int = 32
    num_key_value_heads: int = 32
    max_position_embeddings: int = 4096
    rms_norm_eps: float = 1e-5


@dataclass(frozen=True, kw_only=True, slots=True)
class TimeChatConfig:
    """The whole model."""

    vision: VisionSizes = field(default_factory=VisionSizes)
    qformer: QFormerSizes = field(default_factory=QFormerSizes)
    llm: LlamaSizes = field(default_factory=LlamaSizes)
    has_frame_text: bool = True
    """Every frame's Q-Former reads a sentence that says when the frame was taken."""
    max_frames: int = 96
    window: int = 32
    """Frames that one pass of the video Q-Former sees; 0: all of them in one pass."""
    stride: int = 32
    """Frames from one window to the next."""
    trains_frame_qformer: bool = True
    lora_rank: int = 32
    """0: the language model stays as it is."""
    lora_alpha: int = 32
    lora_dropout: float = 0.1
    lora_targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj")
    image_token_id: int = 32000
    """Stands for a video token in input ids; has no row of its own."""
    differences: Differences = field(default_factory=Differences)

    def __post_init__(self) -> None:
        """Refuse values that cannot work."""
        if self.window < 0:
            raise ValueError(f"window is {self.window}: give frames, or 0 for all of them")
        if self.window and not 1 <= self.stride <= self.window:
            raise ValueError(
                f"stride is {self.stride}: give 1 to {self.window} (the window), or frames are lost"
            )
        for part, sizes in (("vision", self.vision), ("qformer", self.qformer)):
            for name in ("width", "num_heads"):
                value = getattr(sizes, name)
                if value < 1:
                    raise ValueError(f"{part}.{name} is {value}: give at least 1")
        if self.max_frames < 1 or self.lora_rank < 0:
            raise ValueError(
                f"max_frames is {self.max_frames} and lora_rank {self.lora_rank}: "
                "give at least 1 frame and no negative rank"
            )

    def window_bounds(self, num_frames: int) -> list[tuple[int, int]]:
        """First and end frame of each window; windows at the end may be short.

        Example:
            >>> TimeChatConfig().window_bounds(70)
            [(0, 32), (32, 64), (64, 70)]
        """
        if not self.window:
            return [(0, num_frames)]
        starts = range(0, num_frames, self.stride)
        return [(start, min(start + self.window, num_frames)) for start in starts]

    def num_video_tokens(self, num_frames: int) -> int:
        """Input embeddings that the language model gets for a video."""
        return len(self.window_bounds(num_frames)) * self.qformer.num_video_queries

    def to_json(self) -> str:
        """All settings, as `from_json` reads them."""
        record = {"format_version": FORMAT_VERSION, **dataclasses.asdict(self)}
        return json.dumps(record, indent=2)

    @classmethod
    def from_json(cls, text: str) -> TimeChatConfig:
        """What `to_json` wrote.

        Raises:
            ValueError: something else, or of another version.
        """
        nested: dict[str, Any] = {
            "vision": VisionSizes,
            "qformer": QFormerSizes,
            "llm": LlamaSizes,
            "differences": Differences,
        }
        try:
            values = json.loads(text)
            version = values.pop("format_version", None)
            if version != FORMAT_VERSION:
                raise ValueError(
                    f"a TimeChat configuration of format version {version!r}, this vidllm reads "
                    f"{FORMAT_VERSION}: convert the released checkpoints again"
                )
            for name, kind in nested.items():
                values[name] = kind(**values[name])
            values["lora_targets"] = tuple(values["lora_targets"])
            return cls(**values)
        except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
            raise ValueError(
                f"not a TimeChat configuration ({type(error).__name__}: {error})"
            ) from None

    @classmethod
    def read(cls, path: str | Path) -> TimeChatConfig:
        """The configuration in a file.

        Raises:
            FileNotFoundError: no such file.
            ValueError: see `from_json`; names the file.
        """
        try:
            return cls.from_json(Path(path).read_text("utf-8"))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None


def timechat(original: Literal["", "timechat"] = "") -> TimeChatConfig:
    """TimeChat at its released size.

    Args:
        original: "timechat" for the original's behaviour, as its released weights were trained.
    """
    return TimeChatConfig(differences=compat(original) if original else Differences())


def videollama() -> TimeChatConfig:
    """Video-LLaMA at its released size: no time text, one window, a frozen frame Q-Former.

    Its table of 32 frame positions is stretched to the 96 frames of Seq2Time's sequences, as
    TimeChat does with it (`vidllm convert`).
    """
    return TimeChatConfig(
        has_frame_text=False,
        window=0,
        trains_frame_qformer=False,
        lora_rank=0,
    )


def tiny_timechat() -> TimeChatConfig:
    """A random model of some hundred thousand weights, for trials and tests."""
    return TimeChatConfig(
        vision=VisionSizes(
            image_size=32, patch_size=16, width=32, num_layers=2, num_heads=4, mlp_width=64
        ),
        qformer=QFormerSizes(
            width=48,
            num_heads=4,
            mlp_width=96,
            vocab_size=320,
            num_positions=64,
            num_frame_layers=2,
            num_frame_queries=4,
            num_video_queries=4,
        ),
        llm=LlamaSizes(
            vocab_size=320,
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=4096,
        ),
        window=4,
        stride=4,
        lora_rank=4,
        lora_alpha=4,
        image_token_id=-1,
    )
