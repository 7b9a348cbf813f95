"""What goes wrong with media files."""


class MediaError(ValueError):
    """A file that cannot be shown: missing, damaged, not a picture, or without that frame."""


def unreadable(path: str, frame_index: int, reason: str) -> MediaError:
    """The error of a file of which a frame cannot be had."""
    return MediaError(f"{path}: frame {frame_index} cannot be read: {reason}")


def no_such_frame(path: str, num_frames: int, frame_index: int) -> MediaError:
    """The error of a plan that was made for another file, or a longer version of it."""
    return MediaError(
        f"{path} has {num_frames} frames, no frame {frame_index}; "
        "index the corpus again if the file has changed"
    )


def reason_of(error: Exception) -> str:
    """What an error says, without the path that the system puts behind it."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    return str(getattr(error, "strerror", None) or error)
