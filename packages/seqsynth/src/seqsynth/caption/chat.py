"""Questions and answers in the form of OpenAI's chat completions."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from seqsynth.caption.backends import Answer, Question
from seqsynth.caption.settings import Generation
from seqsynth.frame_tar import JPEG_QUALITY, jpeg_of


def chat_messages(question: Question) -> list[dict[str, Any]]:
    """One message of the user: the frames as JPEG in data URLs, then the text."""
    content: list[dict[str, Any]] = []
    for frame in question.frames:
        packed = base64.b64encode(jpeg_of(frame, JPEG_QUALITY)).decode()
        url = f"data:image/jpeg;base64,{packed}"
        content.append({"type": "image_url", "image_url": {"url": url}})
    content.append({"type": "text", "text": question.text})
    return [{"role": "user", "content": content}]


def chat_request(question: Question, model: str, generation: Generation) -> dict[str, Any]:
    """The body of a request for one answer."""
    return {
        "model": model,
        "messages": chat_messages(question),
        "max_tokens": generation.max_new_tokens,
        "temperature": generation.temperature,
        "top_p": generation.top_p,
        "seed": question.seed,
    }


def answer_of(response: Mapping[str, Any]) -> Answer:
    """The answer in a response.

    Raises:
        ValueError: it is not of the form.
    """
    try:
        choice = response["choices"][0]
        text, reason = choice["message"]["content"], choice.get("finish_reason")
    except (KeyError, IndexError, TypeError, AttributeError):
        raise ValueError("the response holds no choices[0].message.content") from None
    if text is None:  # a model that thinks aloud and was cut off before it answered
        text = ""
    if not isinstance(text, str):
        raise ValueError(f"choices[0].message.content is no text but {type(text).__name__}")
    return Answer(text, reason if isinstance(reason, str) else "stop")
