"""Text normaliser: transcripts that differ in case, digits or accents become the same words.

English: Unicode letters without their accents; digits as words; `& @ % $ # * + =` as words;
lower case; apostrophes inside words stay, every other sign is a space. Alphabet: a-z, ' and space.

Spanish: the same, but ñ is a letter of its own. Acute accents and diaereses are folded, because the
packaged transcripts write them only now and then ("numero" beside "último"). Alphabet: a-z, ñ and
space.
"""

import re
import unicodedata

from num2words import num2words

LETTERS = {"en": " 'abcdefghijklmnopqrstuvwxyz", "es": " abcdefghijklmnopqrstuvwxyzñ"}
"""The alphabet of each language, in code point order except ñ; its index is the network's class."""

SIGNS = {
    "en": {"&": "and", "@": "at", "%": "percent", "$": "dollars", "#": "pound", "*": "star"}
    | {"+": "plus", "=": "equals"},
    "es": {"&": "y", "@": "arroba", "%": "por ciento", "$": "dólares", "#": "numeral"}
    | {"*": "asterisco", "+": "más", "=": "igual"},
}
TITLES = {
    "en": {"mr": "mister", "mrs": "missus", "dr": "doctor", "st": "saint"},
    "es": {"sr": "señor", "sra": "señora", "dr": "doctor", "ud": "usted", "uds": "ustedes"},
}
NUMBER = re.compile(r"\d+(?:,\d{3})+(?!\d)|\d+")
ORDINAL = re.compile(r"\b(\d+)(?:st|nd|rd|th)\b", re.IGNORECASE)
LONGEST_NUMBER = 15
APOSTROPHES = str.maketrans("’‘ʼ`´", "'''''")


def normalise(text: str, language: str) -> str:
    """The words of a transcript, in the language's alphabet, a space between two.

    `normalise("Mr. Müller owes $3, hasn't he?", "en")` is "mister muller owes dollars three hasn't
    he". Letters of other scripts are kept, so that `foreign` can name them.
    """
    text = text.translate(APOSTROPHES)
    for sign, word in SIGNS[language].items():
        text = text.replace(sign, f" {word} ")
    if language == "en":
        text = ORDINAL.sub(lambda match: _words(match[1], language, to="ordinal"), text)
    text = NUMBER.sub(lambda match: f" {_words(match[0], language)} ", text).lower()
    text = _folded(text, keep="ñ" if language == "es" else "")
    inside = "'" if language == "en" else ""
    text = "".join(c if c.isalpha() or c in inside else " " for c in text)
    words = (word.strip("'") for word in text.split())
    return " ".join(TITLES[language].get(word, word) for word in words if word)


def foreign(text: str, language: str) -> str:
    """The characters of a normalised text that the alphabet lacks, sorted; "" if there are none."""
    return "".join(sorted(set(text) - set(LETTERS[language])))


def _folded(text: str, keep: str) -> str:
    kept = []
    for character in unicodedata.normalize("NFC", text):
        if character in keep:
            kept.append(character)
            continue
        parts = unicodedata.normalize("NFKD", character)
        kept.append("".join(part for part in parts if not unicodedata.combining(part)))
    return "".join(kept)


def _words(digits: str, language: str, *, to: str = "cardinal") -> str:
    digits = digits.replace(",", "")
    if len(digits) > LONGEST_NUMBER:  # read out one by one, as a card number is
        return " ".join(num2words(int(digit), lang=language) for digit in digits)
    return num2words(int(digits), lang=language, to=to)
