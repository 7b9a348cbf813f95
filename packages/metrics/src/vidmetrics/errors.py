"""The one exception that input can cause; its message names the place and the fix."""

from __future__ import annotations


class InputError(ValueError):
    """References, predictions or a file of them cannot be scored as they are."""
