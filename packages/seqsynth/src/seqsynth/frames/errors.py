"""What goes wrong with media files."""

from pathlib import Path

from seqsynth.example_files import is_shortage


class MediaError(ValueError):
    """A file that cannot be shown: missing, damaged, not a picture, or without that frame."""


def unreadable(path: str | Path, frame_index: int, reason: str) -> MediaError:
    """The error of a file of which a frame cannot be had."""
    return MediaError(f"{path}: frame {frame_index} cannot be read: {reason}")


def media_fault(path: str | Path, frame_index: int, error: Exception) -> Exception:
    """What to raise where a frame cannot be had.

    A process that can open no more files would else count every file as damaged, and replace it.
    """
    return error if is_shortage(error) else unreadable(path, frame_index, reason_of(error))


def no_such_frame(path: str | Path, num_frames: int, frame_index: int) -> MediaError:
    """The error of a plan that was made for another file, or a longer version of it."""
    return MediaError(
        f"{path} has {num_frames} frames, no frame {frame_index}; "
        "index the corpus again if the file has changed"
    )


def reason_of(error: Exception) -> str:
    """What an error says, without the path that the system puts behind it."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    return str(getattr(error, "strerror", None) or error) or type(error).__name__
