"""The one exception of this package."""


class CodecError(ValueError):
    """A position, a text or a setting that a codec cannot take; the message carries the value."""
