"""Words that the Penn Treebank tokenizer treats apart, found by trying every short word on it.

The lists in lower case hold for any mixture of cases.
"""

from __future__ import annotations


def _words(lines: str) -> list[str]:
    return lines.split()


SPLIT_WORDS = {
    "cannot": 3,
    "gimme": 3,
    "gonna": 3,
    "gotta": 3,
    "lemme": 3,
    "wanna": 3,
}
"""Words written as two tokens, with the length of the first."""

CLOSING_ABBREVIATIONS = _words(
    # States of the USA, months and days.
    "ala ariz calif colo conn ct dak fla ga ind kan kans ky md mich minn mo mont neb nev okla "
    "penn tenn va vt wis wisc wyo "
    "jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed thu thurs fri "
    # Companies, places, Latin.
    "al assn bhd bldg blvd bros co corp cos esq est etc ext inc intl jr ltd plc rd rt seq sq sr "
    "sys tel univ"
)
"""Keep their full stop, and may end a sentence: a second full stop is then printed."""

CAPITALISED_ABBREVIATIONS = _words("Ark Az Del Ill La Mass Miss Ore Pa Tex Wash")
"""The same, but only with a capital: `wash.` and `ill.` are words at the end of a sentence."""

PROPRIETARY = r"[pP]{1,2}[tT](?:e[sS]?|y[sS]?)"
"""The same, as a pattern: `Pte`, `Pty` and their like."""

TITLE_ABBREVIATIONS = _words(
    "adj adm adv alex assoc asst atty attys ave brig capt cf cie cmdr col comdr cpl dept det dr "
    "drs elec ens ft gen gov govs hon insp invt jos lieut lt maj messrs mlle mme mr mrs ms "
    "msgr mt natl pfc ph pres prof profs pvt rep reps rev sen sens sfc sgt spc st ste supt "
    "supts treas vs wm"
)
"""Keep their full stop wherever they stand. So do `mfg` and `mtg`, with a small second letter."""

NUMBER_ABBREVIATIONS = _words("art ca fig figs no nos op pp prop")
"""Keep their full stop only in front of a digit."""

ABBREVIATIONS = frozenset(
    CLOSING_ABBREVIATIONS
    + [word.lower() for word in CAPITALISED_ABBREVIATIONS]
    + _words("pte ptes pty ptys ppte pptes ppty pptys mfg mtg")
    + TITLE_ABBREVIATIONS
    + NUMBER_ABBREVIATIONS
)
"""Every word that a full stop can belong to, in lower case."""

SENTENCE_STARTERS = _words(
    "a about according additionally after an as at but earlier he her here however if in it last "
    "many more now once one other our she so some such that the their then there they this we "
    "what when while yet you"
)
"""Capitalised and after an initial or acronym, they show that its full stop ends a sentence."""

FILE_EXTENSIONS = _words(
    "bat bmp c cgi class cpp dll doc docx exe gif gz h htm html jar java jpeg jpg mov mp3 pdf php "
    "pl png ppt ps py sql tar txt wav x xml zip"
)
"""Extensions that make `1.txt` one token."""

PUNCTUATION = frozenset(_words("'' ' `` ` -LRB- -RRB- -LCB- -RCB- . ? ! , : - -- ... ;"))
"""Tokens that the caption scorers throw away.

The bracket names are in upper case while tokens are in lower case, so brackets survive: that is
a slip of the original scorers that every published number contains.
"""
