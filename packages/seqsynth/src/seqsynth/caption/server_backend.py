"""Captions by an OpenAI-compatible server: vLLM, SGLang, llama.cpp and others."""

from __future__ import annotations

import os
from collections.abc import Sequence

from seqsynth.caption.backends import Answer, BackendError, BackendOptions, NoAnswer, Question
from seqsynth.caption.chat import answer_of, chat_request
from seqsynth.caption.http_client import HttpClient, RefusedError, UnansweredError
from seqsynth.caption.settings import CaptionSettings


class ServerBackend:
    """A model behind an address.

    Args:
        settings: names the model; its revision is taken at its word.
        options: address, key, patience.

    Raises:
        BackendError: no server is there, or it does not serve the model.
    """

    def __init__(self, settings: CaptionSettings, options: BackendOptions) -> None:
        self.revision = settings.revision
        self._model = settings.model
        self._generation = settings.generation
        key = ""
        if options.key_variable:
            key = os.environ.get(options.key_variable, "")
            if not key:
                raise BackendError(f"${options.key_variable} is not set, it should hold the key")
        self._client = HttpClient(
            options.server,
            key=key,
            timeout_seconds=options.timeout_seconds,
            num_retries=options.num_retries,
        )
        self._check_model(options.server)

    def answer(self, questions: Sequence[Question]) -> list[Answer | NoAnswer]:
        """See `CaptionBackend`; may be called by several threads at once."""
        return [self._one(question) for question in questions]

    def close(self) -> None:
        """Breaks off the requests that are under way."""
        self._client.close()

    def _one(self, question: Question) -> Answer | NoAnswer:
        body = chat_request(question, self._model, self._generation)
        try:
            return self._client.post("/chat/completions", body, answer_of)
        except (RefusedError, UnansweredError) as error:
            return NoAnswer(str(error))

    def _check_model(self, server: str) -> None:
        try:
            names = self._client.get("/models", _model_names)
        except RefusedError:
            return  # some servers do not list what they serve
        except UnansweredError as error:
            raise BackendError(f"{server} does not answer as a server of models: {error}") from None
        if names and self._model not in names:
            raise BackendError(
                f"{server} does not serve {self._model!r}; --model {names[0]} is what it serves"
                if len(names) == 1
                else f"{server} does not serve {self._model!r}; it has {', '.join(names[:8])}"
            )


def _model_names(response: object) -> list[str]:
    listed = response.get("data") if isinstance(response, dict) else None
    if not isinstance(listed, list):
        raise ValueError("the response lists no models")
    return [str(one["id"]) for one in listed if isinstance(one, dict) and "id" in one]
