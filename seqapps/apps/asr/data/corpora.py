"""Corpora in packages: archives, readers, and the number of lines that each must have.

Each reader yields `Line`s: one slot of a script (its text in each language it was written in) and,
where it was spoken in the wanted language, the sound. Slots without sound are yielded too, for they
say which lines of two languages belong together.
"""

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from seqapps.apps.asr.data import drascula as drascula_files
from seqapps.apps.asr.data import queen
from seqapps.config import UserError
from seqapps.pipeline import fetch


class Package(NamedTuple):
    """An archive that apt can fetch."""

    name: str
    version: str
    sha256: str

    @property
    def filename(self) -> str:
        """The archive's name in the cache."""
        return f"{self.name}_{self.version}_all.deb"


DRASCULA = {
    "en": Package(
        "drascula",
        "1.0+ds4-2",
        "ed4af8e2d41ad446e2f3b73533daa1804e2f13f62f596c0b02b8dc39544f22b4",
    ),
    "es": Package(
        "drascula-spanish",
        "1.0+ds4-2",
        "87b5f12df3fcd7ca16097c802dff1ab55e40c9ebc21209fa3f031e1661b4b8e5",
    ),
}
ASTERISK_SOUNDS = {
    "en": Package(
        "asterisk-core-sounds-en-wav",
        "1.6.1-1",
        "2be3ea287d83299d143815fa804f11179a75b7affd4a758b98b55f5afc18a35d",
    ),
    "es": Package(
        "asterisk-core-sounds-es-wav",
        "1.6.1-1",
        "9283a09a6d56fccdcc2bcfe86c48f0f844289cfbd46a3184d8785a6f7f569903",
    ),
}
ASTERISK_TEXTS = {
    "en": Package(
        "asterisk-core-sounds-en",
        "1.6.1-1",
        "973e797d28e37fa6ca3c0a9d6fa717e77cf1268ae916bf09fd3503113cdffa50",
    ),
    "es": Package(
        "asterisk-core-sounds-es",
        "1.6.1-1",
        "9afdab7f559f036649fb406e625899306ca1004df8ebe39c30bfbd5912d66f74",
    ),
}
TUXPAINT = Package(
    "tuxpaint-stamps-default",
    "2022.06.04-1",
    "6db6c1bfc870a47f1499d6203b083522eacb57c5f9c87d468f2e92eb6d9d5f34",
)
AMAZON_QUEEN = Package(
    "flight-of-the-amazon-queen",
    "1.0.0-9",
    "40c08fd258d6fe95c46c1eaf5e9137f84ba330657995a281bd887c94a560a0f1",
)
LICENCES = {
    "drascula": "free to redistribute and modify, not to be sold on its own (see its copyright)",
    "asterisk": "CC-BY-SA 3.0",
    "tuxpaint": "GPL-2",
    "amazon_queen": "free to redistribute and modify, not to be sold on its own (see its readme)",
}
SPOKEN = {
    ("drascula", "en"): 742,
    ("drascula", "es"): 739,
    ("asterisk", "en"): 553,
    ("asterisk", "es"): 478,
    ("tuxpaint", "es"): 890,
    ("amazon_queen", "en"): 6541,
}
"""Spoken lines with a transcript in each package; another count means the reader is wrong."""

DRASCULA_SECOND_D_LINE = 68
"""From this line on, the clips with prefix D are spoken by another voice."""


@dataclass(frozen=True)
class Line:
    """One line of a script.

    `slot` is the same in all languages; `texts` language -> transcript; `sound` the bytes of a
    file with suffix `suffix`, or None if the line is not spoken in the wanted language.
    """

    corpus: str
    slot: str
    speaker: str
    texts: dict[str, str]
    sound: bytes | None = None
    suffix: str = ".wav"


def lines(corpus: str, language: str) -> Iterator[Line]:
    """The lines of a packaged corpus.

    Raises:
        UserError: a package cannot be had, or holds something else than it did.
    """
    readers = {
        "drascula": drascula,
        "asterisk": asterisk,
        "tuxpaint": tuxpaint,
        "amazon_queen": amazon_queen,
    }
    spoken = 0
    for line in readers[corpus](language):
        spoken += line.sound is not None and bool(line.texts.get(language))
        yield line
    if spoken != SPOKEN[corpus, language]:
        raise UserError(
            f"{corpus} ({language}): {spoken} spoken lines were found, {SPOKEN[corpus, language]} "
            "were expected; the package is not the one this reader was written for"
        )


def packages(corpus: str, language: str) -> list[dict[str, str]]:
    """Name, version and sha256 of the archives a corpus comes from."""
    used = {
        "drascula": [DRASCULA["en"], DRASCULA[language]],
        "asterisk": [ASTERISK_SOUNDS[language], *ASTERISK_TEXTS.values()],
        "tuxpaint": [TUXPAINT],
        "amazon_queen": [AMAZON_QUEEN],
    }
    return [package._asdict() for package in dict.fromkeys(used[corpus])]


def drascula(language: str) -> Iterator[Line]:
    """Lines of the adventure game Drascula: several actors, studio sound at 11,025 Hz."""
    archive = _fetch(DRASCULA["en"])  # the Spanish package has the sounds only
    table = fetch.member(archive, "usr/share/scummvm/drascula/en/drascula.dat")
    texts = drascula_files.texts(table)
    folder = f"usr/share/scummvm/drascula/{language}/"
    archive = _fetch(DRASCULA[language])
    sounds = {
        name.removeprefix(folder).removesuffix(".ALS"): content
        for name, content in fetch.members(
            archive, lambda path: path.startswith(folder) and path.endswith(".ALS")
        )
    }
    for (prefix, number), translations in texts.items():
        name = f"{prefix}{number}"
        raw = sounds.get(name) if translations.get(language) else None
        voice = prefix or "main"
        if prefix == "D" and number >= DRASCULA_SECOND_D_LINE:
            voice = "D2"
        yield Line(
            "drascula",
            name,
            f"drascula-{language}-{voice}",
            translations,
            drascula_files.wav(raw) if raw else None,
        )


def asterisk(language: str) -> Iterator[Line]:
    """Prompts of the telephone exchange Asterisk: one voice, 8 kHz."""
    texts = {other: _asterisk_texts(other) for other in ASTERISK_TEXTS}
    sounds = {
        re.sub(r"^usr/share/asterisk/sounds/[^/]+/(.*)\.wav$", r"\1", name): content
        for name, content in fetch.members(
            _fetch(ASTERISK_SOUNDS[language]), lambda path: path.endswith(".wav")
        )
    }
    for key in sorted(set(texts["en"]) | set(texts["es"])):
        translations = {
            other: by_language[key] for other, by_language in texts.items() if key in by_language
        }
        spoken = language in translations
        yield Line(
            "asterisk",
            key,
            f"asterisk-{language}",
            translations,
            sounds.get(key) if spoken else None,
        )


def tuxpaint(language: str) -> Iterator[Line]:
    """Names of Tux Paint's stamps, read in Spanish; the same file under two names counts once."""
    root = "usr/share/tuxpaint/stamps/"
    archive = _fetch(TUXPAINT)
    texts, sounds = {}, {}
    for name, content in fetch.members(
        archive, lambda path: path.startswith(root) and path.endswith((".txt", "_desc_es.ogg"))
    ):
        slot = name.removeprefix(root).rsplit(".", 1)[0].removesuffix("_desc_es")
        (sounds if name.endswith(".ogg") else texts)[slot] = content
    for slot, content in sorted(texts.items()):
        yield Line(
            "tuxpaint",
            slot,
            f"tuxpaint-{language}",
            _tuxpaint_texts(content),
            sounds.get(slot),
            ".ogg",
        )


def amazon_queen(language: str) -> Iterator[Line]:
    """Lines of the adventure game Flight of the Amazon Queen: actors, MP3 at 11,025 Hz, English."""
    content = fetch.member(
        _fetch(AMAZON_QUEEN), "usr/share/scummvm/flight-of-the-amazon-queen/queen.1c"
    )
    for piece in queen.pieces(content):
        speaker = f"amazon_queen-{piece.speaker}"
        yield Line("amazon_queen", piece.name, speaker, {language: piece.text}, piece.sound, ".mp3")


def _fetch(package: Package) -> Path:
    return fetch.package(
        "apt",
        name=package.name,
        version=package.version,
        filename=package.filename,
        sha256=package.sha256,
    )


def _asterisk_texts(language: str) -> dict[str, str]:
    name = f"usr/share/doc/{ASTERISK_TEXTS[language].name}/core-sounds-{language}.txt.gz"
    content = gzip.decompress(fetch.member(_fetch(ASTERISK_TEXTS[language]), name)).decode()
    texts = {}
    for line in content.splitlines():
        key, colon, text = line.partition(":")
        if colon and not line.startswith(";") and "silence/" not in key:
            texts[key.strip()] = text.strip()
    return {key: text for key, text in texts.items() if not text.startswith("[")}


def _tuxpaint_texts(content: bytes) -> dict[str, str]:
    rows = content.decode("utf-8", errors="replace").splitlines()
    texts = {"en": rows[0]} if rows else {}
    for row in rows[1:]:
        if row.startswith("es.utf8="):
            texts["es"] = row.removeprefix("es.utf8=")
    return texts
