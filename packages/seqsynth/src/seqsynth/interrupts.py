"""Ctrl-C, also where a library has made an error of its own of it."""


def was_interrupted(error: BaseException) -> bool:
    """Whether an error is Ctrl-C, or has it as its cause.

    Python itself raises a RuntimeError where the key falls into the making of a class, hence into
    most imports, and transformers a ModuleNotFoundError from that.
    """
    cause = error.__cause__
    return isinstance(error, KeyboardInterrupt) or (cause is not None and was_interrupted(cause))
