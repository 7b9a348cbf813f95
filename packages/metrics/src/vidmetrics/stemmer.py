"""The Porter2 stemmer (Snowball "english") as it stood before Snowball 3.0.

METEOR 1.5 carries the older version, and the difference counts: `added` is `ad` here and `add`
in Snowball 3. Written from the description of the algorithm at snowballstem.org.
"""

from __future__ import annotations

from functools import lru_cache

VOWELS = frozenset("aeiouy")
DOUBLES = frozenset(["bb", "dd", "ff", "gg", "mm", "nn", "pp", "rr", "tt"])
LI_ENDINGS = frozenset("cdeghkmnrt")

WHOLE_WORDS = {
    "skis": "ski",
    "skies": "sky",
    "dying": "die",
    "lying": "lie",
    "tying": "tie",
    "idly": "idl",
    "gently": "gentl",
    "ugly": "ugli",
    "early": "earli",
    "only": "onli",
    "singly": "singl",
    **{word: word for word in ("sky", "news", "howe", "atlas", "cosmos", "bias", "andes")},
}
KEPT_AFTER_PLURAL = frozenset(
    ["inning", "outing", "canning", "herring", "earring", "proceed", "exceed", "succeed"]
)
# Suffix and replacement, longest first: the longest that fits decides, even if it is not in R1.
STEP_2 = (
    ("ational", "ate"),
    ("fulness", "ful"),
    ("iveness", "ive"),
    ("ization", "ize"),
    ("ousness", "ous"),
    ("biliti", "ble"),
    ("lessli", "less"),
    ("tional", "tion"),
    ("alism", "al"),
    ("aliti", "al"),
    ("ation", "ate"),
    ("entli", "ent"),
    ("fulli", "ful"),
    ("iviti", "ive"),
    ("ousli", "ous"),
    ("abli", "able"),
    ("alli", "al"),
    ("anci", "ance"),
    ("ator", "ate"),
    ("enci", "ence"),
    ("izer", "ize"),
    ("bli", "ble"),
    ("ogi", "og"),
    ("li", ""),
)
STEP_3 = (
    ("ational", "ate"),
    ("tional", "tion"),
    ("alize", "al"),
    ("ative", ""),
    ("icate", "ic"),
    ("iciti", "ic"),
    ("ical", "ic"),
    ("ness", ""),
    ("ful", ""),
)
STEP_4 = (
    "ement",
    "able",
    "ance",
    "ence",
    "ible",
    "ment",
    "ant",
    "ate",
    "ent",
    "ion",
    "ism",
    "iti",
    "ive",
    "ize",
    "ous",
    "al",
    "er",
    "ic",
)


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """The stem of a lower-case word.

    Example:
        >>> [stem(word) for word in ("added", "chopping", "skies")]
        ['ad', 'chop', 'sky']
    """
    if len(word) <= 2:
        return word
    if word in WHOLE_WORDS:
        return WHOLE_WORDS[word]
    word = _mark_consonant_y(word.removeprefix("'"))
    r1 = _region_1(word)
    r2 = _region(word, r1)
    word = _step_1a(_step_0(word))
    if word in KEPT_AFTER_PLURAL:
        return word
    word = _step_1c(_step_1b(word, r1))
    word = _step_3(_step_2(word, r1), r1, r2)
    return _step_5(_step_4(word, r2), r1, r2).replace("Y", "y")


def _mark_consonant_y(word: str) -> str:
    """Y for each y at the start or after a vowel; a marked one is no vowel for the next."""
    marked: list[str] = []
    for place, letter in enumerate(word):
        consonant = letter == "y" and (place == 0 or marked[-1] in VOWELS)
        marked.append("Y" if consonant else letter)
    return "".join(marked)


def _region(word: str, start: int) -> int:
    """The place behind the first non-vowel that follows a vowel, from `start` on."""
    for place in range(start + 1, len(word)):
        if word[place] not in VOWELS and word[place - 1] in VOWELS:
            return place + 1
    return len(word)


def _region_1(word: str) -> int:
    for prefix in ("gener", "commun", "arsen"):
        if word.startswith(prefix):
            return len(prefix)
    return _region(word, 0)


def _has_vowel(text: str) -> bool:
    return not VOWELS.isdisjoint(text)


def _ends_in_short_syllable(word: str) -> bool:
    if len(word) == 2:
        return word[0] in VOWELS and word[1] not in VOWELS
    return (
        len(word) > 2
        and word[-1] not in VOWELS
        and word[-1] not in "wxY"
        and word[-2] in VOWELS
        and word[-3] not in VOWELS
    )


def _step_0(word: str) -> str:
    for suffix in ("'s'", "'s", "'"):
        if word.endswith(suffix):
            return word[: -len(suffix)]
    return word


def _step_1a(word: str) -> str:
    if word.endswith("sses"):
        return word[:-2]
    if word.endswith(("ied", "ies")):
        return word[:-2] if len(word) > 4 else word[:-1]
    if word.endswith(("us", "ss")):
        return word
    if word.endswith("s") and _has_vowel(word[:-2]):
        return word[:-1]
    return word


def _step_1b(word: str, r1: int) -> str:
    for suffix in ("eedly", "eed"):
        if word.endswith(suffix):
            start = len(word) - len(suffix)
            return word[:start] + "ee" if start >= r1 else word
    for suffix in ("ingly", "edly", "ing", "ed"):
        if word.endswith(suffix):
            rest = word[: -len(suffix)]
            return _mend(rest, r1) if _has_vowel(rest) else word
    return word


def _mend(word: str, r1: int) -> str:
    """What is left of a verb: `luxuriat` gets its e back, `hopp` loses a p, `hop` gets an e."""
    if word.endswith(("at", "bl", "iz")):
        return word + "e"
    if word[-2:] in DOUBLES:
        return word[:-1]
    if r1 >= len(word) and _ends_in_short_syllable(word):
        return word + "e"
    return word


def _step_1c(word: str) -> str:
    if len(word) > 2 and word[-1] in "yY" and word[-2] not in VOWELS:
        return word[:-1] + "i"
    return word


def _step_2(word: str, r1: int) -> str:
    for suffix, replacement in STEP_2:
        if word.endswith(suffix):
            rest = word[: -len(suffix)]
            if len(rest) < r1:
                return word
            if suffix == "ogi" and not rest.endswith("l"):
                return word
            if suffix == "li" and rest[-1:] not in LI_ENDINGS:
                return word
            return rest + replacement
    return word


def _step_3(word: str, r1: int, r2: int) -> str:
    for suffix, replacement in STEP_3:
        if word.endswith(suffix):
            rest = word[: -len(suffix)]
            if len(rest) < (r2 if suffix == "ative" else r1):
                return word
            return rest + replacement
    return word


def _step_4(word: str, r2: int) -> str:
    for suffix in STEP_4:
        if word.endswith(suffix):
            rest = word[: -len(suffix)]
            if len(rest) < r2 or (suffix == "ion" and rest[-1:] not in ("s", "t")):
                return word
            return rest
    return word


def _step_5(word: str, r1: int, r2: int) -> str:
    rest = word[:-1]
    if word.endswith("e"):
        in_r1 = len(rest) >= r1 and not _ends_in_short_syllable(rest)
        return rest if len(rest) >= r2 or in_r1 else word
    if word.endswith("ll") and len(rest) >= r2:
        return rest
    return word
