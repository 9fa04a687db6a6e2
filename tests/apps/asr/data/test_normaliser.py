"""The normaliser: stated examples."""

import pytest

from seqapps.apps.asr.data import normaliser


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Hello, World!", "hello world"),
        ("HASN'T HE? 'quoted'", "hasn't he quoted"),
        ("It’s on", "it's on"),
        ("touch-tone  phone", "touch tone phone"),
        ("Press 1, then #", "press one then pound"),
        ("21st of 1,234", "twenty first of one thousand two hundred and thirty four"),
        ("naïve café", "naive cafe"),
        ("Mr. Smith & Dr. Who", "mister smith and doctor who"),
        (
            "1234567890123456",
            "one two three four five six seven eight nine zero one two three four five six",
        ),
        ("...", ""),
    ],
)
def test_english(written, said):
    assert normaliser.normalise(written, "en") == said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("¿Dónde está el niño?", "donde esta el niño"),
        ("PINGÜINO; 16 años", "pinguino dieciseis años"),
        ("n\u0303u", "ñu"),
        ("d'accord", "d accord"),
    ],
)
def test_spanish_folds_accents_but_keeps_its_own_letter(written, said):
    assert normaliser.normalise(written, "es") == said


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("written", ["Señor Peña: 3 € & 5 %", "it's 1,000.50", "İstanbul"])
def test_normalising_twice_changes_nothing(language, written):
    once = normaliser.normalise(written, language)
    assert normaliser.normalise(once, language) == once


def test_letters_of_other_scripts_are_named():
    said = normaliser.normalise("hello Привет", "en")
    assert said == "hello привет"
    assert normaliser.foreign(said, "en") == "веипрт"
    assert normaliser.foreign("hello", "en") == ""
    assert normaliser.foreign("año", "en") == "ñ"
