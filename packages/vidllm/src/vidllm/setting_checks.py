"""How a setting with a value that cannot work is refused: one wording for all of them."""

from __future__ import annotations


def require(condition: bool, name: str, value: object, rule: str) -> None:
    """Go on where the condition holds.

    Args:
        condition: whether the value can work.
        name: the setting as the command line writes it.
        value: what was given.
        rule: what to give instead.

    Raises:
        ValueError: it does not hold; the message has the other three.
    """
    if not condition:
        raise ValueError(f"{name} is {value!r}: {rule}")
