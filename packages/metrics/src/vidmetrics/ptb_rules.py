"""The patterns of the Penn Treebank tokenizer, in the order that decides between equal lengths.

At every place the longest match wins, what a pattern asks to follow (outside its group) counted
in; between equal lengths the earlier rule wins. The behaviour is that of CoreNLP 3.4.1, worked
out by feeding it text; the words are in `ptb_lexicon`, the letters in `data/ptb_characters.txt`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from vidmetrics import ptb_lexicon as lexicon
from vidmetrics import ptb_writers as write
from vidmetrics.ptb_characters import CAPITAL, DIGIT, LETTER, MARK, any_case, capitalised

APOSTROPHE = any_case(["'", "\u0092", "\u2019", "&apos;"]).join(("(?:", ")"))
ANY_APOSTROPHE = any_case(["'", *"\u0092\u2019`\u0091\u2018\u201b", "&apos;"]).join(("(?:", ")"))
SPACE = "[ \t\u00a0\u2000-\u200a\u3000\n\u0085]"
ALPHABET = f"A-Za-z{LETTER}{CAPITAL}"
DIGITS = f"[0-9{DIGIT}]"
CLITIC = f"(?:{any_case(['m', 's', 'd', 're', 've', 'll'])})"
PATH_END = r'[^ \t\n\f\r"<>|.!?(){},\-]'
NAME = r"[A-Za-z][A-Za-z0-9_:.\-]*"
# Quoted values may hold anything but their quote; bare values are not markup to the tokenizer.
ATTRIBUTE = rf"""(?: +{NAME}(?: *= *(?:'[^'\n]*'|"[^"\n]*"))?)"""
MARKUP = rf"(?:<[!?][A-Za-z\-][^>\n]*>|</{NAME} *>|<{NAME}{ATTRIBUTE}* */? *>)"
ACCENTED = any_case(
    f"&{vowel}{accent};" for vowel in "aeiou" for accent in ("acute", "grave", "uml")
)
WORD_FIRST = rf"(?:[{ALPHABET}{MARK}\u00ad]|{ACCENTED})"
WORD_INNER = rf"(?:[0-9{ALPHABET}{MARK}{DIGIT}\u00ad]|{ACCENTED})"
WORD = rf"{WORD_FIRST}{WORD_INNER}*+(?:[.!?]{WORD_FIRST}{WORD_INNER}*+)*+"
PLAIN = f"[0-9{ALPHABET}{DIGIT}]"
PARTICLE = f"(?:[dDoOlL]{ANY_APOSTROPHE}{PLAIN})?"
"""The beginning of `o'clock`, `d'ye`, `l'eau`."""
COMPOUND = rf"{PARTICLE}{PLAIN}++(?:[\-_\u058a\u2010\u2011]{PARTICLE}{PLAIN}++)*+"
DOTTED = r"[A-Za-z](?:\.[A-Za-z])+\."
"""Initials in a row: `u.s.`, `a.m.`."""
AMPERSAND = any_case(["&", "&amp;"])
INITIALS = rf"[A-Z]+(?:(?:\+|{AMPERSAND})[A-Z]+)+"
"""`AT&T`, `R+B`."""
HYPHENED = rf"([A-Za-z0-9][A-Za-z0-9.,\u00ad]*(?:-(?:{DOTTED}|[A-Za-z0-9\u00ad]+))+)"


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of token.

    Attributes:
        source: the pattern: group 1 is the token, and what follows the group must follow it.
        first: a pattern of the characters with which a token of this kind can begin.
        write: the printed tokens of a matched text.
        needs: a character that a text with such a token holds; spares the search for it.
    """

    source: str
    first: str
    write: write.Writer
    needs: str = ""

    @property
    def pattern(self) -> re.Pattern[str]:
        """Compiled when first needed: most captions need few of the rules."""
        return _compiled(self.source)


def _rule(first: str, pattern: str, writer: write.Writer = write.tidy, needs: str = "") -> Rule:
    return Rule(pattern, first, writer, needs)


_compiled = cache(re.compile)


SIGNS = "@./-;>"
"""Characters that are looked for once a text, because several rules need one of them."""


@cache
def rules_for(character: str, signs: frozenset[str]) -> tuple[Rule, ...]:
    """The rules that may match where `character` stands first.

    Args:
        character: the first character.
        signs: which of `SIGNS` the text holds.
    """
    if character == "&" and ";" not in signs:  # no entity, so it begins what any symbol can begin
        character = "\ufffd"
    return tuple(
        rule
        for rule in _rules()
        if _compiled(rule.first).match(character) and (not rule.needs or rule.needs in signs)
    )


@cache
def _rules() -> tuple[Rule, ...]:
    return (
        *_markup_and_splits(),
        _rule(rf"{WORD_FIRST}|&", f"({WORD})"),
        *_addresses(),
        *_contractions(),
        *_numbers(),
        *_words(),
        *_apostrophe_words(),
        *_abbreviations(),
        _rule("[A-Za-z0-9]", HYPHENED, needs="-"),
        *_symbols(),
        *_quotes(),
    )


def _markup_and_splits() -> list[Rule]:
    return [
        _rule("<", f"({MARKUP})", needs=">"),
        _rule("[cglwCGLW]", f"({any_case(lexicon.SPLIT_WORDS)})", write.split_word),
        _rule("'", f"('[tT])(?:{any_case(['is', 'was'])})"),
    ]


def _addresses() -> list[Rule]:
    top_level = any_case(["com", "net", "org", "edu"])
    # The set of a host's characters leaves out everything from the comma to the underscore.
    host = "[^ \\t\\n\\f\\r\"`'<>|!?(){}$,-_]+\\."
    path = rf'(?:/[^ \t\n\f\r"<>|()]+{PATH_END})?'
    mail_inner = r'[^ \t\n\f\r"<>|(){}\u00a0]'
    mail_label = r'[^ \t\n\f\r"<>|(){}.\u00a0]+'
    label = r'[^ \t\n\f\r"<>|.!?(){},]+\.'
    opening, closing = any_case(["<", "&lt;"]), any_case([">", "&gt;"])
    web = f'({any_case(["http"])}[sS]?://[^ \\t\\n\\f\\r"<>|(){{}}]+{PATH_END})'
    return [
        _rule("[hH]", web, write.as_is, "/"),
        _rule("[wW]", rf"([wW]{{3}}\.(?:{label})+[a-zA-Z]{{2,4}}{path})", write.as_is, "."),
        _rule(".", f"((?:{host})+(?:{top_level}){path})", write.as_is, "."),
        _rule(
            "[A-Za-z0-9<&]",
            rf"((?:{opening})?[A-Za-z0-9]{mail_inner}*@(?:{mail_label}\.)*{mail_label}"
            rf"(?:{closing})?)",
            write.as_is,
            "@",
        ),
        _rule("@", "(@[A-Za-z_][A-Za-z_0-9]*)"),
        _rule("#", f"(#{WORD_FIRST}+)", write.as_is),
    ]


def _contractions() -> list[Rule]:
    return [
        # The n of "n't" belongs to the second token, so the first ends in another letter.
        _rule(
            r"[A-Za-z\u00ad]",
            rf"([A-Za-z\u00ad]*[A-MO-Za-mo-z\u00ad])[nN]{ANY_APOSTROPHE}[tT]",
            write.straight,
        ),
        _rule("[nN]", f"([nN]{ANY_APOSTROPHE}[tT])", write.straight),
        _rule("['\u0092\u2019&]", f"({APOSTROPHE}{CLITIC})[^A-Za-z]", write.straight),
    ]


def _numbers() -> list[Rule]:
    number = rf"(?:{DIGITS}*(?:[.:,\u00ad\u066b\u066c]{DIGITS}+)+|{DIGITS}+)"
    tens = r"[0-9]{2,4}"
    phone = (
        rf"(?:\([0-9]{{2,3}}\)[ \u00a0]?|(?:\+\+?)?(?:{tens}[\- \u00a0])?{tens}[\- \u00a0])"
        r"[0-9]{3,4}[\- \u00a0]?[0-9]{3,5}"
        rf"|(?:(?:\+\+?)?{tens}\.)?{tens}\.[0-9]{{3,4}}\.[0-9]{{3,5}}"
    )
    small = f"{DIGITS}{{1,4}}"
    return [
        _rule(DIGITS, rf"({DIGITS}{{1,2}}[\-/]{DIGITS}{{1,2}}[\-/]{DIGITS}{{2,4}})"),
        _rule(rf"[\-+.:,\u00ad\u066b\u066c]|{DIGITS}", rf"([\-+]?{number})"),
        _rule(DIGITS, rf"((?:{small}[\- \u00a0])?{small}(?:\\?/|\u2044){small})"),
        _rule("[\u00bc-\u00be\u2153\u2154]", "(.)", lambda token: [write.FRACTIONS[token]]),
        _rule(
            "[\u00b2\u00b3\u00b9\u2070\u2074-\u2079\u2080-\u2089]",
            "([\u00b2\u00b3\u00b9\u2070\u2074-\u2079]+|[\u2080-\u2089]+)",
        ),
        _rule(r"[0-9(+]", f"({phone})", write.phone),
    ]


def _words() -> list[Rule]:
    short = r"[A-Za-z0-9]+(?:-[A-Za-z]+){0,2}"
    return [
        _rule(f"{WORD_FIRST}|&", f"({WORD}){APOSTROPHE}{CLITIC}"),
        _rule(WORD_INNER, f"({COMPOUND})"),
        _rule("[A-Z]", f"({INITIALS})", write.ampersand),
        _rule("[A-Za-z0-9]", rf"({short}(?:\\?/{short}){{1,2}})", needs="/"),
        _rule("[cfCF]", r"([cC]\+\+|[cCfF]#)"),
    ]


def _apostrophe_words() -> list[Rule]:
    either = any_case(["dunkin", "somethin", "ol"])
    return [
        # Names such as O'Malley, and the rest of "don'tx" once "do" is off.
        _rule("[A-HJ-XZn]", f"([A-HJ-XZn]{ANY_APOSTROPHE}[{ALPHABET}]{{2,}})"),
        _rule(
            r"['\u0092\u2019&]",
            rf"({APOSTROPHE}(?:[nN]{APOSTROPHE}?|[2-9]0[sS]|{any_case(['em', 'til', 'till'])}"
            rf"|{any_case(['cause'])}))",
        ),
        _rule(
            "[lLdDjJsSoOcC]",
            f"([lLdDjJ]{APOSTROPHE}|(?:{either}){APOSTROPHE}"
            f"|[cC]'[mM][oO][nN]|[oO]{APOSTROPHE}[oO])",
        ),
        _rule(
            f"[{ALPHABET}]",
            f"([{ALPHABET}]+[aeiouyAEIOUY]{ANY_APOSTROPHE}[aeiouA-Z][{ALPHABET}]*)",
        ),
        _rule("[yY]", f"([yY]{APOSTROPHE})[{ALPHABET}]"),
        _rule(r"['\u0092\u2019&]", f"({APOSTROPHE}[0-9][0-9]){SPACE}"),
    ]


def _abbreviations() -> list[Rule]:
    capital = capitalised(word.lower() for word in lexicon.CAPITALISED_ABBREVIATIONS)
    closing = (
        rf"(?:{any_case(lexicon.CLOSING_ABBREVIATIONS)}|{capital}|{lexicon.PROPRIETARY}"
        r"|[Pp][Hh]\.[Dd])\."
    )
    title = rf"(?:{any_case(lexicon.TITLE_ABBREVIATIONS)}|[mM][ft][gG])\."
    starters = f"(?:(?:{capitalised(lexicon.SENTENCE_STARTERS)}|M[RrSs]\\.){SPACE}|{MARKUP}{SPACE})"
    numbered = any_case(lexicon.NUMBER_ABBREVIATIONS)
    files = any_case(lexicon.FILE_EXTENSIONS)
    letter = "[A-Za-z]"
    return [
        _rule(letter, f"({closing}){SPACE}+(?:{SPACE}|[A-Z{CAPITAL}]|{MARKUP})", write.with_stop),
        # A sentence may end here unless something follows; two characters must be there to see.
        _rule(letter, f"({closing})(?s:..)"),
        _rule(letter, f"({closing})", write.with_stop),
        _rule(letter, f"({title})"),
        _rule(letter, f"({DOTTED})"),
        _rule(letter, f"({DOTTED}){SPACE}+{starters}", write.with_stop),
        _rule(
            WORD_INNER,
            rf"((?:{WORD_INNER}++\.)+(?:{files}))(?:{SPACE}|[.?!,])",
            write.as_is,
            ".",
        ),
        _rule(letter, rf"({letter}\.)"),
        _rule(letter, rf"({letter})\.{SPACE}+{starters}"),
        _rule(letter, rf"((?:{numbered})\.){SPACE}?{DIGITS}"),
        _rule(rf"{WORD_INNER}|&", rf"((?:{WORD}|{COMPOUND})\.)[,;:\u3001]"),
        _rule("[A-Z]", rf"({INITIALS}\.)[,;:\u3001]", write.ampersand),
    ]


def _symbols() -> list[Rule]:
    eye = r"[\-\^x=~<>']"
    kept = any_case(
        f"&{name};" for name in ("ht", "tl", "ur", "lr", "qc", "ql", "qr", "odq", "cdq")
    )
    return [
        _rule(r"[A-Z$]", r"([A-Z]*\$)"),
        _rule(
            r"[<>:;=]",
            r"([<>]?[:;=][\-o*']?[()DPdpO\\{@|\[\]])[^A-Za-z0-9]",
            write.round_brackets,
        ),
        _rule("[:xX]", "(:3|[xX]D)[^A-Za-z0-9]"),
        _rule(
            r"[\-\^x=~<>'(]",
            rf"({eye}_{eye}|\({eye}[_.]?{eye}\)|\([\^x=~<>']-[\^x=~<>'`]\))",
            write.round_brackets,
        ),
        _rule(
            "[.\u2026\u0085]",
            "(\\.{3,5}|(?:\\.[ \u00a0]){2,4}\\.|[\u2026\u0085])",
            write.fixed("..."),
        ),
        _rule("[!?]", "([!?]+)"),
        _rule("-", "(-+)", write.dash),
        _rule(
            "[\u0096\u0097\u2013-\u2015&]",
            f"([\u0096\u0097\u2013-\u2015]|{any_case(['&md;', '&mdash;', '&ndash;'])})",
            write.fixed("--"),
        ),
        _rule(r"[<>*_#@\\]", r"(<<|>>|\*+|_+|#+|@+|(?:\\\*)+)"),
        _rule("&", f"({kept}|&#[0-9]+;)"),
        _rule("&", f"({any_case(['&lt;', '&gt;', '&amp;', '&nbsp;'])})", write.entity),
    ]


def _quotes() -> list[Rule]:
    double = f'(?:{any_case(["&quot;"])}|")'
    marks = "[`\u0091-\u0094\u2018-\u201f\u2039\u203a\u00ab\u00bb]"
    return [
        _rule('["&]', f"({double})[A-Za-z0-9$]", write.opening_double_quote),
        _rule('["&]', f"({double})", write.double_quote),
        _rule("'", "(')[A-Za-z][^ \\t\\n\\r\u00a0]", write.fixed("`")),
        _rule("['\u0092\u2019&]", f"({APOSTROPHE}{CLITIC})", write.straight),
        _rule("['&]", f"('{{1,2}}|{any_case(['&apos;'])})", write.single_quote),
        _rule(marks, f"({marks}{{1,2}})", write.translated),
        _rule("[\u00a0\u2000-\u200a\u3000]", "([ \t\u00a0\u2000-\u200a\u3000]+)", write.skip),
        _rule("(?s:.)", "(?s:(.))", write.symbol),
    ]
