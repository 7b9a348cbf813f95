"""Ctrl-C, also where a library has made an error of its own of it."""


def was_interrupted(error: BaseException) -> bool:
    """Whether Ctrl-C is the cause of an error.

    Python itself raises a RuntimeError where the key falls into the making of a class, hence into
    most imports, and transformers a ModuleNotFoundError from that.
    """
    cause = error.__cause__
    return isinstance(cause, KeyboardInterrupt) or (cause is not None and was_interrupted(cause))
