"""`timechat` and `videollama`: a converted checkpoint, or random weights for trials.

model.base is a folder that `vidllm convert` wrote, with the tokenizer of its language model, and in
`frame_tokenizer` that of the frames' time text; or "random", a small model that needs no file.
Frames are not cropped at random: what an example shows is a function of the example alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

import timetokens as tt
from seqsynth import load_frames
from vidllm.adapters.base import Base, Description, FrameSource, Shown
from vidllm.adapters.random import byte_tokenizer
from vidllm.config import ModelConfig
from vidllm.prompt_script import VISUAL_TOKEN, Script
from vidllm.timechat.config import TimeChatConfig, tiny_timechat
from vidllm.timechat.frames import normalised
from vidllm.timechat.prompt import (
    BEGIN,
    END,
    Dialogues,
    add_image_token,
    frame_sentences,
    frame_text,
    sequence_sentence,
)
from vidllm.timechat.videos import Video, packed
from vidllm.timechat.weights import (
    CONFIG_NAME,
    FRAME_TOKENIZER,
    expected_shapes,
    load_tensors,
    read_folder,
    trained_names,
)

RANDOM = "random"
SEED = 3
LLAMA_SPECIAL = ("<unk>", BEGIN, END)


@dataclass(frozen=True, slots=True)
class TimedFrames:
    """Frames as pixels, each with a sentence that says when it is.

    Attributes:
        image_size: pixels a side.
        tokenizer: of the sentences; None: the model reads none.
        codec: of the run.
    """

    image_size: int
    tokenizer: PreTrainedTokenizerBase | None
    codec: str

    @property
    def width(self) -> int:
        """The model looks at pixels itself."""
        return 0

    def inputs(self, shown: Sequence[Shown]) -> dict[str, Tensor]:
        """What `TimeChat.forward` takes of these sequences' frames."""
        return packed([self._video(one) for one in shown])

    def _video(self, shown: Shown) -> Video:
        frames_FHWC = torch.from_numpy(load_frames(list(shown.frames), self.image_size))
        frames_FCHW = normalised(frames_FHWC)
        if self.tokenizer is None:
            return Video(frames_FCHW)
        wording = wording_of(self.codec, shown.codes)
        sentences = [frame_sentences([code], wording)[0] if code else "" for code in shown.codes]
        return Video(frames_FCHW, *frame_text(self.tokenizer, sentences))


@dataclass(frozen=True, slots=True)
class TimeChatAdapter:
    """See the module.

    Attributes:
        name: the adapter's key.
        released: the sizes that are described where model.base is empty.
    """

    name: str
    released: Callable[[], TimeChatConfig]

    def describe(self, config: ModelConfig) -> Description:
        """Sizes, from the configuration alone."""
        sizes = self._sizes(config)
        shapes, learned = expected_shapes(sizes), trained_names(sizes)

        def count(belongs: Callable[[str], bool]) -> int:
            return sum(math.prod(shape) for name, shape in shapes.items() if belongs(name))

        frames = sizes.max_frames
        return Description(
            eye_parameters=count(lambda n: not n.startswith("llm.") and n not in learned),
            llm_parameters=count(lambda n: n.startswith("llm.") and ".lora_" not in n),
            lora_parameters=count(lambda n: ".lora_" in n),
            hidden_size=sizes.llm.hidden_size,
            connector_parameters=count(lambda n: not n.startswith("llm.") and n in learned),
            visual_tokens_per_frame=sizes.num_video_tokens(frames) / frames,
            token_matrices=2,
            frozen_bytes=getattr(torch, config.weights).itemsize,
            provenance={
                "eye": "EVA-ViT-g and Q-Formers in the shape of " + self.name,
                "llm": config.base or "LLaMA-2 7B chat (model.base is not given)",
            },
        )

    def open_frames(self, config: ModelConfig, cache_dir: Path | None) -> FrameSource:
        """Pixels and sentences; loads tokenizers only."""
        sizes = self._sizes(config)
        tokenizer = self._frame_tokenizer(config) if sizes.has_frame_text else None
        return TimedFrames(sizes.vision.image_size, tokenizer, config.codec)

    def load_base(self, config: ModelConfig, cache_dir: Path | None) -> Base:
        """The language model with its weights; the rest is made around it."""
        from vidllm.timechat.parts import llama

        sizes = self._sizes(config)
        tokenizer = self._tokenizer(config)  # before gigabytes are made
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            llm = llama(sizes.llm, getattr(torch, config.weights))
        if config.base != RANDOM:
            own = read_folder(self._folder(config), wanted=_is_llm)
            missing = load_tensors(
                llm, ((name.removeprefix("llm."), tensor) for name, tensor in own)
            )
            if missing:
                raise FileNotFoundError(
                    f"model.base {config.base!r} lacks {len(missing)} tensors of the language "
                    f"model, such as {min(missing)}: convert again with llama=FOLDER"
                )
        return Base(
            llm=llm,
            tokenizer=tokenizer,
            script=script_of(sizes, tokenizer, config.codec),
            model_of=lambda wrapped: self._model(wrapped, sizes, config),
        )

    def _model(self, llm: Any, sizes: TimeChatConfig, config: ModelConfig) -> Any:
        """The whole around a language model under LoRA, with the folder's weights."""
        from vidllm.timechat.model import TimeChat
        from vidllm.timechat.parts import cast_parameters
        from vidllm.timechat.time_tokens import add_to_frame_text

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            model = TimeChat(sizes, llm)
            if config.base != RANDOM:
                rest = read_folder(self._folder(config), wanted=lambda name: not _is_llm(name))
                missing = load_tensors(model, rest)
                lacking = sorted(name for name in missing if not name.startswith("llm."))
                if lacking:
                    raise FileNotFoundError(
                        f"model.base {config.base!r} lacks {len(lacking)} tensors, such as "
                        f"{lacking[0]}: convert again from all of the released checkpoints"
                    )
            if sizes.has_frame_text:
                frame_qformer = model.connector.frame_qformer
                add_to_frame_text(self._frame_tokenizer(config), frame_qformer, config.codec)
        for part in (model.vision.embeddings, model.vision.encoder):
            cast_parameters(part, getattr(torch, config.weights))
        return model

    def _sizes(self, config: ModelConfig) -> TimeChatConfig:
        """The base's sizes, with the LoRA of the run.

        Raises:
            ValueError: settings that this base does not have.
        """
        if config.num_layers:
            raise ValueError(
                f"model.num_layers cannot be set for {self.name}: it keeps all its layers"
            )
        released = self.released()
        if not config.base:
            sizes = released
        elif config.base == RANDOM:
            sizes = replace(
                tiny_timechat(),
                has_frame_text=released.has_frame_text,
                trains_frame_qformer=released.trains_frame_qformer,
                window=min(released.window, tiny_timechat().window),
            )
        else:
            sizes = TimeChatConfig.read(self._folder(config) / CONFIG_NAME)
            if sizes.has_frame_text != released.has_frame_text:
                raise ValueError(f"model.base {config.base!r} is not of the kind {self.name!r}")
        if config.image_sizes != (sizes.vision.image_size,):
            raise ValueError(
                f"model.image_sizes is {config.image_sizes}: this base sees "
                f"{sizes.vision.image_size} pixels a side"
            )
        return replace(
            sizes,
            lora_rank=config.lora_rank,
            lora_alpha=config.lora_alpha,
            lora_dropout=config.lora_dropout,
            lora_targets=config.lora_targets,
            image_token_id=VISUAL_TOKEN,
        )

    def _folder(self, config: ModelConfig) -> Path:
        folder = Path(config.base).expanduser()
        if not config.base or not (folder / CONFIG_NAME).exists():
            raise FileNotFoundError(
                f"model.base is {config.base!r}: give the folder of a converted checkpoint "
                "(vidllm convert --help)"
            )
        return folder

    def _tokenizer(self, config: ModelConfig) -> PreTrainedTokenizerBase:
        """The language model's, with the placeholder of video tokens before any time tokens."""
        if config.base == RANDOM:
            tokenizer = byte_tokenizer(LLAMA_SPECIAL, begins_texts=True)
        else:
            tokenizer = _read(self._folder(config))
        if not {BEGIN, END} <= set(tokenizer.get_vocab()):
            raise ValueError(
                f"the tokenizer of model.base {config.base!r} has no {BEGIN} and {END}: "
                "is it LLaMA-2's?"
            )
        add_image_token(tokenizer)
        return tokenizer

    def _frame_tokenizer(self, config: ModelConfig) -> PreTrainedTokenizerBase:
        """The tokenizer of the frames' sentences, the codec's tokens added."""
        if config.base == RANDOM:
            tokenizer = byte_tokenizer()
        else:
            tokenizer = _read(self._folder(config) / FRAME_TOKENIZER)
        tt.add_to(tokenizer, codec=config.codec)
        return tokenizer


def script_of(sizes: TimeChatConfig, tokenizer: PreTrainedTokenizerBase, codec: str) -> Script:
    """How a video and its turns are written: all video tokens between two marks, then the times.

    Args:
        sizes: of the model.
        tokenizer: LLaMA's, with the placeholder added.
        codec: of the run.
    """

    def ids(text: str) -> tuple[int, ...]:
        return tuple(tokenizer.encode(text, add_special_tokens=False))

    def together(num_frames: int) -> tuple[int, ...]:
        places = (VISUAL_TOKEN,) * sizes.num_video_tokens(num_frames)
        return (*ids("<Video>"), *places, *ids("</Video>"))

    def sentence_of(codes: Sequence[str]) -> str:
        return sequence_sentence(codes, wording_of(codec, codes))

    return Script(
        together=together,
        sentence=lambda codes: f" {sentence_of(codes)}",
        dialogues=Dialogues(
            tokenizer, sizes.num_video_tokens, sentence_of, differences=sizes.differences
        ),
    )


def wording_of(codec: str, places: Sequence[str]) -> str:
    """How the places of a sequence are spoken of: a key of vidllm.timechat.prompt.WORDINGS.

    Args:
        codec: of the run; image sequences may have the codec `index` beside it (`image_codec`).
        places: of the sequence's frames. Whole numbers are indices: seconds have a decimal.
    """
    if not tt.CODECS[codec].time_unit:  # codes or numbers
        return "frames"
    return "images" if all(place.isdigit() for place in places) else "seconds"


def _is_llm(name: str) -> bool:
    """Whether a tensor on disk is the language model's own: LoRA comes with the rest."""
    return name.startswith("llm.") and ".lora_" not in name


def _read(folder: Path) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    load: Any = AutoTokenizer
    if not (folder / "tokenizer_config.json").exists():
        raise FileNotFoundError(
            f"{folder} has no tokenizer: copy the files of the one that the released weights came "
            "with (LLaMA-2's; for time text BERT's, bert-base-uncased)"
        )
    tokenizer: PreTrainedTokenizerBase = load.from_pretrained(folder)
    return tokenizer
