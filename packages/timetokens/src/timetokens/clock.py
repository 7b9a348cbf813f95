"""Clock readings: `61.4`, `1:01.4` and `0:01:01.4` are the same time."""


def clock_seconds(text: str) -> float:
    """Seconds of a plain number, `m:ss` or `h:mm:ss`, each with an optional fraction."""
    seconds = 0.0
    for part in text.split(":"):
        seconds = seconds * 60 + float(part)
    return seconds
