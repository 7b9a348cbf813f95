"""Splits named concepts so that nothing held out can be known from a word seen in training.

The rule. Words of a name are its letter runs, lower case, singular, of three letters or more,
without function words. Names that share a word form a group, except over common words ("face",
"woman": more than `MAX_COMMON` names), whose names never are held out. Whole groups are drawn in
the order of a hash until enough is held out. A training name that still shares a word with a
held-out name (through its own common word: "tiger face" beside "tiger") is dropped altogether.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

MAX_COMMON = 8
MAX_GROUP = 12  # a larger group is a chain of loosely related names; it stays in training

_FUNCTION_WORDS = frozenset({"and", "for", "man", "not", "out", "the"})
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class ConceptSplit:
    """Disjoint name sets; `dropped` names belong to neither side."""

    train: frozenset[str]
    heldout: frozenset[str]
    dropped: frozenset[str]


def concept_words(name: str) -> frozenset[str]:
    """Words of a name that carry its meaning, in a form that joins singular and plural.

    Example:
        >>> sorted(concept_words("man's shoe and two Cherries"))
        ['cherry', 'shoe', 'two']
    """
    plain = name.lower().replace("\u2019", "'").replace("'s ", " ")
    found = (_singular(word) for word in _WORD.findall(plain) if len(word) >= 3)
    return frozenset(word for word in found if word not in _FUNCTION_WORDS)


def split_concepts(
    names: Iterable[str],
    *,
    preferred: Collection[str] = (),
    num_preferred: int = 0,
    num_heldout: int,
    seed: int = 0,
) -> ConceptSplit:
    """Splits names by the rule of this module.

    Args:
        names: the concepts; order and repetition do not matter.
        preferred: names of which `num_preferred` are held out first (those with clips).
        num_preferred: held-out preferred names to reach, if there are as many.
        num_heldout: held-out names to reach in all, if there are as many.
        seed: enters the hash that orders the groups.
    """
    known = sorted(set(names) | set(preferred))
    words = {name: concept_words(name) for name in known}
    groups = _groups(known, words)
    groups.sort(key=lambda group: hashlib.sha256(f"{seed}|{'|'.join(group)}".encode()).digest())
    wanted = frozenset(preferred)
    heldout: set[str] = set()
    _draw(groups, heldout, lambda name: name in wanted, num_preferred)
    _draw(groups, heldout, lambda name: True, num_heldout, avoid=wanted)
    heldout_words = frozenset[str]().union(*(words[name] for name in heldout))
    dropped = {name for name in known if name not in heldout and words[name] & heldout_words}
    return ConceptSplit(
        train=frozenset(known) - heldout - dropped,
        heldout=frozenset(heldout),
        dropped=frozenset(dropped),
    )


def _draw(
    groups: list[list[str]],
    heldout: set[str],
    counts: Callable[[str], bool],
    num_wanted: int,
    avoid: frozenset[str] = frozenset(),
) -> None:
    """Adds groups that hold a counting name (and none to avoid) until enough names count."""
    for group in groups:
        if sum(map(counts, heldout)) >= num_wanted:
            return
        if any(map(counts, group)) and not avoid.intersection(group):
            heldout.update(group)


def _groups(names: list[str], words: dict[str, frozenset[str]]) -> list[list[str]]:
    """Names without common words, joined over shared words; each group sorted."""
    frequency = Counter(word for name in names for word in words[name])
    common = {word for word, count in frequency.items() if count > MAX_COMMON}
    group_of_word: dict[str, list[str]] = {}
    for name in names:
        if not words[name] or words[name] & common:
            continue
        joined = [name]
        for word in words[name]:
            other = group_of_word.get(word)
            if other is not None and other is not joined:
                joined.extend(n for n in other if n not in joined)
        for word in frozenset[str]().union(*(words[n] for n in joined)):
            group_of_word[word] = joined
    unique = {id(group): sorted(group) for group in group_of_word.values()}
    return [group for group in unique.values() if len(group) <= MAX_GROUP]


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word
