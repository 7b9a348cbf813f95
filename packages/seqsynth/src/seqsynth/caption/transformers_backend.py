"""Captions by any image-text-to-text model of transformers, in this process.

Greedy answers of a batch may differ from those of single questions in the last bit of a rounding,
so one question at a time is the default; drawn answers are always written one at a time, each from
its own seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image

from seqsynth.caption.backends import Answer, BackendError, BackendOptions, NoAnswer, Question
from seqsynth.caption.model_files import folder_revision, hub_libraries, one_line
from seqsynth.caption.settings import CaptionSettings


class TransformersBackend:
    """A model and its processor.

    Args:
        settings: names the model.
        options: its device.

    Raises:
        BackendError: transformers or torch are absent, or the model cannot be loaded.
    """

    def __init__(self, settings: CaptionSettings, options: BackendOptions) -> None:
        torch, transformers = hub_libraries()
        self._torch = torch
        self._generation = settings.generation
        self._device = options.device
        if options.device == "auto":
            self._device = "cuda" if torch.cuda.is_available() else "cpu"
        # Half precision is slower than single on most CPUs.
        dtype = torch.float32 if self._device == "cpu" else "auto"
        named = {"revision": settings.revision} if settings.revision else {}
        folder = folder_revision(settings.model)
        if folder is not None:
            named = {}  # a folder has one revision: what is in it
        try:
            self._processor = transformers.AutoProcessor.from_pretrained(settings.model, **named)
            model = transformers.AutoModelForImageTextToText.from_pretrained(
                settings.model, dtype=dtype, **named
            )
            self._model = model.to(self._device).eval()
        except (OSError, ValueError, ImportError, RuntimeError, KeyError) as error:
            raise BackendError(
                f"{settings.model} cannot be loaded as a model for images and text: "
                f"{one_line(error)}"
            ) from None
        if getattr(self._processor, "chat_template", None) is None:
            raise BackendError(
                f"{settings.model} has no chat template, so it is not known how to ask it; take "
                "the variant that is made for chat (Instruct)"
            )
        self._processor.tokenizer.padding_side = "left"
        commit = getattr(self._model.config, "_commit_hash", None)
        self.revision: str = folder or commit or settings.revision

    def answer(self, questions: Sequence[Question]) -> list[Answer | NoAnswer]:
        """See `CaptionBackend`."""
        if self._generation.temperature == 0:
            return self._write(questions)
        answers: list[Answer | NoAnswer] = []
        for question in questions:
            self._torch.manual_seed(question.seed)
            answers += self._write([question])
        return answers

    def close(self) -> None:
        """Nothing goes on in the background."""

    def _write(self, questions: Sequence[Question]) -> list[Answer | NoAnswer]:
        inputs = self._inputs(questions)
        with self._torch.inference_mode():
            tokens = self._model.generate(**inputs, **self._how())
        written = tokens[:, inputs["input_ids"].shape[1] :]
        texts = self._processor.tokenizer.batch_decode(written, skip_special_tokens=True)
        ends = self._ends()
        reasons = ["stop" if ends.intersection(row.tolist()) else "length" for row in written]
        return [Answer(text, reason) for text, reason in zip(texts, reasons, strict=True)]

    def _inputs(self, questions: Sequence[Question]) -> Any:
        texts = [
            self._processor.apply_chat_template(
                [{"role": "user", "content": _content(question)}],
                add_generation_prompt=True,
                tokenize=False,
            )
            for question in questions
        ]
        pictures = [[Image.fromarray(frame) for frame in q.frames] for q in questions]
        inputs = self._processor(text=texts, images=pictures, padding=True, return_tensors="pt")
        return inputs.to(self._device, dtype=self._model.dtype)

    def _how(self) -> dict[str, Any]:
        generation = self._generation
        how: dict[str, Any] = {"max_new_tokens": generation.max_new_tokens}
        tokenizer = self._processor.tokenizer
        padding = tokenizer.pad_token_id
        how["pad_token_id"] = tokenizer.eos_token_id if padding is None else padding
        if generation.temperature == 0:  # what a model's own settings say of drawing is void
            return {**how, "do_sample": False, "temperature": None, "top_p": None, "top_k": None}
        drawn = {"temperature": generation.temperature, "top_p": generation.top_p, "top_k": 0}
        return {**how, "do_sample": True, **drawn}

    def _ends(self) -> set[int]:
        end = self._model.generation_config.eos_token_id
        if end is None:
            end = self._processor.tokenizer.eos_token_id
        return set(end) if isinstance(end, list | tuple) else {end}


def _content(question: Question) -> list[dict[str, str]]:
    frames = [{"type": "image"} for _ in question.frames]
    return [*frames, {"type": "text", "text": question.text}]
