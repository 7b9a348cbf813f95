"""OpenAI's chat completions on the wire, checked as strictly as a server of them does."""

from __future__ import annotations

import base64
import binascii
import io
import json
from collections.abc import Mapping
from typing import Any

from PIL import Image

CHAT_PATH = "/v1/chat/completions"

_INT64 = range(-(2**63), 2**63)
_JPEG_HEAD = "data:image/jpeg;base64,"


def request_fault(path: str, headers: Mapping[str, str], content: bytes) -> str:
    """What is wrong with a request, "" where it is as the protocol says."""
    if path != CHAT_PATH:
        return f"path {path}"
    if headers.get("Content-Type", "").partition(";")[0] != "application/json":
        return f"content type {headers.get('Content-Type')!r}"
    try:
        body = json.loads(content.decode("utf-8"))
    except ValueError as error:
        return f"no JSON: {error}"
    if not isinstance(body, dict):
        return "the body is no object"
    return _fields_fault(body) or _messages_fault(body["messages"])


def completion(text: str | None, finish_reason: str, model: str) -> dict[str, Any]:
    """A response with all the fields that vLLM sends."""
    message = {"role": "assistant", "content": text, "refusal": None, "tool_calls": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}
    return {
        "id": "chatcmpl-5f2e",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": model,
        "choices": [{**choice, "stop_reason": None}],
        "usage": {"prompt_tokens": 512, "total_tokens": 530, "completion_tokens": 18},
        "prompt_logprobs": None,
    }


def _fields_fault(body: dict[str, Any]) -> str:
    checks: dict[str, Any] = {
        "model": lambda value: isinstance(value, str) and value,
        "messages": lambda value: isinstance(value, list) and value,
        "max_tokens": lambda value: _is_int(value) and value >= 1,
        "temperature": lambda value: _is_number(value) and 0 <= value <= 2,
        "top_p": lambda value: _is_number(value) and 0 < value <= 1,
        "seed": lambda value: _is_int(value) and value in _INT64,
    }
    if missing := checks.keys() - body.keys():
        return f"without {', '.join(sorted(missing))}"
    if unknown := body.keys() - checks.keys():
        return f"unknown field {', '.join(sorted(unknown))}"
    wrong = [name for name, is_right in checks.items() if not is_right(body[name])]
    return f"{wrong[0]} is {body[wrong[0]]!r}" if wrong else ""


def _messages_fault(messages: list[Any]) -> str:
    for message in messages:
        if not isinstance(message, dict) or message.keys() != {"role", "content"}:
            return f"message {str(message)[:80]}"
        if message["role"] not in ("system", "user", "assistant"):
            return f"role {message['role']!r}"
        if not isinstance(message["content"], list) or not message["content"]:
            return "content is no list of parts"
        for part in message["content"]:
            if fault := _part_fault(part):
                return fault
    return ""


def _part_fault(part: Any) -> str:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text" and part.keys() == {"type", "text"} and isinstance(part["text"], str):
        return ""
    if kind != "image_url" or part.keys() != {"type", "image_url"}:
        return f"part {str(part)[:80]}"
    address = part["image_url"]
    if not isinstance(address, dict) or address.keys() != {"url"}:
        return f"image_url {str(address)[:80]}"
    head, data = address["url"][: len(_JPEG_HEAD)], address["url"][len(_JPEG_HEAD) :]
    if head != _JPEG_HEAD:
        return f"address {head!r}"
    try:
        with Image.open(io.BytesIO(base64.b64decode(data, validate=True))) as picture:
            picture.load()
    except (binascii.Error, OSError) as error:
        return f"picture: {error}"
    return "" if picture.format == "JPEG" else f"picture of {picture.format}"


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return _is_int(value) or isinstance(value, float)
