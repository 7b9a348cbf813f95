"""How well a caption fits its frames, by a model in the manner of CLIP or SigLIP.

Such models read short texts only, so a caption is scored sentence by sentence: each sentence has
the cosine of the frame that it fits best. A sentence about what no frame shows scores low.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seqsynth.caption.backends import BackendError
from seqsynth.caption.model_files import folder_revision, hub_libraries, one_line

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")


@dataclass(frozen=True, slots=True)
class ImageTextScore:
    """Cosines in [-1, 1]; only those of one model can be compared.

    Attributes:
        mean: over the sentences of the caption.
        lowest: of the sentence that fits worst.
    """

    mean: float
    lowest: float


class ImageTextScorer:
    """A model with one space for images and texts.

    Args:
        model: name on the hub, or a folder.
        device: "auto", "cpu", "cuda", ...

    Raises:
        BackendError: transformers or torch are absent, or it is no such model.
    """

    def __init__(self, model: str, device: str = "auto") -> None:
        torch, transformers = hub_libraries()
        self._torch = torch
        self._device = device
        if device == "auto":
            self._device = "cuda" if torch.cuda.is_available() else "cpu"
        folder = folder_revision(model)
        try:
            self._processor = transformers.AutoProcessor.from_pretrained(model)
            loaded = transformers.AutoModel.from_pretrained(model, dtype=torch.float32)
        except (OSError, ValueError, ImportError, RuntimeError, KeyError) as error:
            raise BackendError(f"{model} cannot be loaded: {one_line(error)}") from None
        if not hasattr(loaded, "get_image_features") or not hasattr(loaded, "get_text_features"):
            raise BackendError(
                f"{model} ({type(loaded).__name__}) does not compare images with texts; "
                "--image-text takes a model such as CLIP or SigLIP"
            )
        self._model = loaded.to(self._device).eval()
        self._max_tokens = self._model.config.text_config.max_position_embeddings
        self.name = f"{model}@{folder or getattr(loaded.config, '_commit_hash', None) or ''}"

    def score(self, caption: str, frames: NDArray[np.uint8]) -> ImageTextScore:
        """Scores one caption.

        Args:
            caption: at least one word.
            frames: (F, height, width, 3) uint8, at least one.
        """
        sentences = [part for part in _SENTENCE_END.split(caption.strip()) if part.strip()]
        pictures = [Image.fromarray(frame) for frame in frames]
        inputs = self._processor(
            text=sentences,
            images=pictures,
            return_tensors="pt",
            padding="max_length",  # as SigLIP was trained; CLIP does not mind
            max_length=self._max_tokens,
            truncation=True,
        ).to(self._device)
        with self._torch.inference_mode():
            output: Any = self._model(**inputs)
        texts, images = (
            each / each.norm(dim=-1, keepdim=True)
            for each in (output.text_embeds, output.image_embeds)
        )
        best = (texts @ images.T).max(dim=1).values
        return ImageTextScore(float(best.mean()), float(best.min()))
