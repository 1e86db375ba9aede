"""Take away what two correct transcriptions of the same speech may differ in."""

from __future__ import annotations

import re
import unicodedata

_CODES = {
    "english": "en",
    "spanish": "es",
    "castilian": "es",
    "french": "fr",
    "turkish": "tr",
    "azerbaijani": "az",
}
_DOTLESS_I = {"tr", "az"}
_TITLES = {
    "en": {"mr": "mister", "mrs": "missus", "dr": "doctor"},
    "es": {"sr": "señor", "sra": "señora", "srta": "señorita", "dr": "doctor", "dra": "doctora"}
    | {"ud.": "usted", "uds.": "ustedes"},
    "fr": {"m.": "monsieur", "mme": "madame", "mlle": "mademoiselle", "dr": "docteur"},
    "tr": {"dr": "doktor"},
}
_SPELLINGS = {"fr": str.maketrans({"œ": "oe", "æ": "ae"})}
_LETTERS = re.compile(r"(?<![^\W_])[^\W\d_]+\.?")
_APOSTROPHES = str.maketrans(dict.fromkeys("\u2018\u2019\u201b\u02bb\u02bc\u00b4\uff07`", "'"))
_INITIAL = re.compile(r"(?:\d|(?<=[\w.])-|(?<!\w)[^\W\d_]\.)\s*$")  # what stands in front of one more initial
_SIGNS = "%€$£¥₺₽₹₴₩₪₫"
_AMOUNT = re.compile(rf"(?<=\d)\s+(?=[‰°{_SIGNS}])")
_SIGN_FIRST = re.compile(rf"(?<!\S)([{_SIGNS}])\s+(?=\d)")
_INSIDE_WORDS = set("'·׳״")
_INSIDE_NUMBERS = set(".,:/")
_READ_ALOUD = set("%‰&@#°§+=×÷±−")
_JOINERS = {"\u200c", "\u200d"}


def normalise(text: str, language: str = "default") -> str:
    """Take away what two correct transcriptions may differ in, and nothing that is heard.

    In every language: Unicode NFC, ligatures (ﬁ), the micro sign and full-width characters (Ａ) as what they
    stand for; lower case; typographic apostrophes become ' and stay inside words only; dashes, slashes and
    punctuation become spaces; a full stop inside a word goes (a.m. -> am); no space between a number and its
    %, ° or currency; white space of any kind is one space.

    Kept: accents and combining marks of every script; numbers with the . , : / inside them (nothing is spelt
    out: "3" and "three" differ); signs that are read aloud (%, &, €). Contractions stay as they are: "he's"
    can be "he is" or "he has".

    By language: titles are spelt out (en: mr, mrs, dr; es: sr, sra, srta, dr, dra, ud., uds.; fr: M. before a
    name, mme, mlle, dr; tr: dr). French œ and æ are oe and ae. Turkish and Azerbaijani lower İ to i
    and I to ı; `str.lower` alone gives two code points for the one and i for the other.

    Args:
        text: any text.
        language: code ("en", "es", "fr", "tr"), locale ("tr_tr", "en-US") or English name ("Turkish"); any
            other language gets the rules for every language, as "default" does.

    Returns:
        The text, lower case, words joined by single spaces; "" when nothing is left.

    Raises:
        TypeError: text or language is not a string.
    """
    if not isinstance(text, str):
        raise TypeError(f"The text is {type(text).__name__}: pass a string.")
    code = _code(language)
    text = "".join(map(_plain, unicodedata.normalize("NFC", text))).translate(_APOSTROPHES)
    text = _LETTERS.sub(lambda found: _spelt_out(found, code), text)
    if code in _DOTLESS_I:
        text = text.replace("I", "ı")
    text = text.replace("İ", "i").lower().replace("i\u0307", "i").translate(_SPELLINGS.get(code, {}))
    text = _SIGN_FIRST.sub(r"\1", _AMOUNT.sub("", text))
    before, after = " " + text, text[1:] + " "
    kept = "".join(map(_keep, before, text, after))
    return unicodedata.normalize("NFC", " ".join(kept.split()))


def is_wordy(character: str) -> bool:
    """Letter, mark or number. `\\w` of `re` would not do: it leaves out the vowel signs of Indic scripts."""
    return unicodedata.category(character)[0] in "LMN"


def _code(language: str) -> str:
    if not isinstance(language, str):
        raise TypeError(f"The language is {language!r}: pass a code such as 'en', or 'default'.")
    name = language.strip().lower()
    return _CODES.get(name, re.split("[-_]", name)[0])


def _plain(character: str) -> str:
    """Ligatures, the micro sign, full and half width as what they stand for; others as they are."""
    kind = unicodedata.decomposition(character).partition(">")[0]
    stands_in = kind in ("<wide", "<narrow") or (kind == "<compat" and character.isalpha())
    return unicodedata.normalize("NFKC", character) if stands_in else character


def _spelt_out(found: re.Match, code: str) -> str:
    """The word for a title; for one letter, as M. is, only before a name and not as an initial or amount."""
    word, text = found.group(), found.string
    titles = _TITLES.get(code, {})
    title = titles.get(word.lower()) or titles.get(word.lower().removesuffix("."))
    if title and len(word.removesuffix(".")) == 1:
        named = re.match(r"\s+[^\W\d_]|[^\W\d_]{2}", text[found.end() :])
        if word.islower() or not named or _INITIAL.search(text[: found.start()]):
            return word
    return title + " " * word.endswith(".") if title else word


def _keep(before: str, character: str, after: str) -> str:
    category = unicodedata.category(character)
    if is_wordy(character) or category == "Sc" or character in _READ_ALOUD or character in _JOINERS:
        return character
    if character in _INSIDE_NUMBERS and before.isdigit() and after.isdigit():
        return character
    if is_wordy(before) and is_wordy(after):
        if character in _INSIDE_WORDS:
            return character
        if character == ".":
            return ""
    if category == "Cf" and character != "\u200b":
        return ""
    return " "
