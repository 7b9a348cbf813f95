"""Captions by vLLM in this process, for machines with a GPU; on many of them with `--engine ray`.

vLLM pins its own torch and transformers, so it wants an environment of its own. It is imported when
the backend is made, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seqsynth.caption.backends import Answer, BackendError, BackendOptions, NoAnswer, Question
from seqsynth.caption.chat import chat_messages
from seqsynth.caption.model_files import folder_revision, one_line
from seqsynth.caption.settings import CaptionSettings


class VllmBackend:
    """A vLLM engine; questions of a batch are answered together.

    Args:
        settings: names the model.
        options: how many GPUs share it.

    Raises:
        BackendError: vLLM is absent, or cannot load the model.
    """

    def __init__(self, settings: CaptionSettings, options: BackendOptions) -> None:
        try:
            import vllm
        except ImportError as error:
            raise BackendError(
                "vLLM is not installed: pip install vllm, in an environment of its own; or take "
                "--backend server"
            ) from error
        folder = folder_revision(settings.model)
        self.revision = folder or settings.revision
        self._sampling: Any = vllm.SamplingParams
        self._generation = settings.generation
        named = {"revision": settings.revision} if settings.revision and folder is None else {}
        try:
            self._engine: Any = vllm.LLM(
                model=settings.model,
                tensor_parallel_size=options.tensor_parallel,
                limit_mm_per_prompt={"image": settings.num_frames},
                **named,
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise BackendError(f"vLLM cannot load {settings.model}: {one_line(error)}") from None

    def answer(self, questions: Sequence[Question]) -> list[Answer | NoAnswer]:
        """See `CaptionBackend`."""
        generation = self._generation
        sampling = [
            self._sampling(
                max_tokens=generation.max_new_tokens,
                temperature=generation.temperature,
                top_p=generation.top_p,
                seed=question.seed,
            )
            for question in questions
        ]
        chats = [chat_messages(question) for question in questions]
        outputs = self._engine.chat(chats, sampling, use_tqdm=False)
        return [Answer(o.outputs[0].text, o.outputs[0].finish_reason or "stop") for o in outputs]

    def close(self) -> None:
        """Nothing goes on in the background."""
