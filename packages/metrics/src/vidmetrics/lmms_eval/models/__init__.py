"""No models: lmms-eval asks every plugin for this module."""

AVAILABLE_MODELS: dict[str, str] = {}
