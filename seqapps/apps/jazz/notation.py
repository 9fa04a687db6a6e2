"""MusicXML (plain or zipped), ABC and kern -> scores, through music21.

Chord symbols of ABC are read by `chords`, as music21 reads `A-7` as A flat. A tune of an ABC file
that cannot be read is left out without the others.
"""

import bisect
import contextlib
import io
import re
import warnings
import zipfile
from collections.abc import Iterator
from itertools import product
from typing import Any
from xml.etree import ElementTree

from seqapps.app import Skip
from seqapps.apps.jazz.chords import chord
from seqapps.apps.jazz.scores import DRUM_CHANNEL, VELOCITY, Recording, Score, Voice
from seqapps.config import UserError
from seqapps.kit import files

WANTED = "no file of music; wanted MIDI, MusicXML, ABC or kern"
MOST_BYTES = 100_000_000
"""Largest file that is taken out of a zip."""

MOST_SIGNS_OF_A_BAR, MOST_DIGITS = 500, 3
"""Of ABC: music21 needs minutes for a longer bar, and for a longer number."""

ANNOTATION = tuple("^_<>@")
"""Signs that begin a text of ABC between quotes that is no chord."""

XML_DECLARATION = re.compile(r"^<\?xml[^>]*\?>")
DECLARED_ENCODING = re.compile(rb"^<\?xml[^>]*encoding=[\"']([\w.-]+)")

Percussion = dict[tuple[str | None, str | None], int]
"""Step and octave of a place on a staff -> MIDI pitch of the drum that is written there."""


def scores(content: bytes, stem: str) -> Iterator[Score | Skip]:
    """The tunes of a file's bytes, named after its stem, several by numbers too.

    Raises:
        UserError: it is no such file.
    """
    text, encoding = _text(content)
    begin = text[:100_000]
    if begin.startswith("<"):
        if not re.search(r"<(?:\w+:)?score-(?:partwise|timewise)\b", begin):
            raise UserError("XML, but no MusicXML; wanted MIDI, MusicXML, ABC or kern")
        # The declaration names the encoding of the bytes, which are text now.
        text = XML_DECLARATION.sub("", text)
        yield _score(_parsed(text, "musicxml"), stem, percussion=_percussion(text))
    elif re.search(r"^\*\*kern", begin, re.MULTILINE):
        yield _score(_parsed(text, "humdrum"), stem)
    elif re.search(r"^X:\s*\d+", begin, re.MULTILINE):
        remarks = [] if encoding.startswith("utf") else [f"is no UTF-8; it is read as {encoding}"]
        yield from _tunes_of_abc(text, stem, remarks=remarks)
    else:
        raise UserError(WANTED)


def unreadable(error: Exception) -> str:
    """The reason of a skip, from what a library raised."""
    if isinstance(error, EOFError):
        return "cannot be read: the file ends in the middle"
    lines = str(error).splitlines()
    return f"cannot be read ({type(error).__name__}: {lines[0][:80] if lines else ''})"


def _text(content: bytes) -> files.Text:
    """The text of a file of notation, zipped or not.

    Raises:
        UserError: it is none.
    """
    if content[:4] == b"PK\3\4":
        content = _unzipped(content)
    read = files.decoded(content)
    declared = DECLARED_ENCODING.match(content)
    if declared and not read.encoding.startswith("utf"):
        with contextlib.suppress(LookupError, UnicodeDecodeError):
            encoding = declared[1].decode()
            read = files.Text(content.decode(encoding), encoding)
    if "\0" in read.text:
        raise UserError(WANTED)
    return files.Text(read.text.lstrip("\ufeff \n\t"), read.encoding)


def _unzipped(content: bytes) -> bytes:
    """The score in a zip: the one its container names, else the first MusicXML.

    Raises:
        UserError: it holds none, or one that is too large.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        named: list[str] = []
        if "META-INF/container.xml" in names:
            container = ElementTree.fromstring(archive.read("META-INF/container.xml"))
            named = [root.get("full-path", "") for root in container.iter("rootfile")]
        inside = [name for name in names if not name.startswith("META-INF")]
        endings = (".xml", ".musicxml")
        candidates = [*named, *(name for name in inside if name.lower().endswith(endings))]
        member = next((name for name in candidates if name in inside), None)
        if member is None:
            raise UserError("a zip file that holds no MusicXML")
        if archive.getinfo(member).file_size > MOST_BYTES:
            raise UserError(f"a zip file whose score has more than {MOST_BYTES:,} bytes")
        return archive.read(member)


def _tunes_of_abc(text: str, stem: str, *, remarks: list[str]) -> Iterator[Score | Skip]:
    """The tunes of ABC, each read alone; what stands before the first is said of each."""
    header, *tunes = re.split(r"^(?=X:)", text, flags=re.MULTILINE)
    for number, tune in enumerate(tunes, start=1):
        name = stem if len(tunes) == 1 else f"{stem}-{number}"
        try:
            score = _score_of_abc(header + tune, name)
        except UserError as error:
            yield Skip(str(error), name)
        except Exception as error:  # music21 raises whatever a broken tune makes it raise
            yield Skip(unreadable(error), name)
        else:
            score.remarks[:0] = remarks
            yield score


def _score_of_abc(text: str, name: str) -> Score:
    from music21 import abcFormat, stream
    from music21.abcFormat import translate

    _check_abc(text)
    if not re.search(r"^[LM]:", text, re.MULTILINE):
        # The standard's length of a note without a meter; music21 knows none.
        text = re.sub(r"^X:.*", r"\g<0>\nL:1/8", text, count=1, flags=re.MULTILINE)
    with _quiet() as messages:
        handler = abcFormat.ABCFile().readstr(text)
        symbols = _coded(handler)
        parsed = stream.Score()
        translate.abcToStreamScore(handler, parsed)
    score = _score((parsed, messages.getvalue()), name, spelled=symbols)
    unknown = sorted({symbol for symbol in symbols.values() if _chord(symbol) is None})
    if unknown:
        score.remarks.append(f"chord symbols that are not known: {', '.join(unknown)[:80]}")
    return score


def _check_abc(text: str) -> None:
    """Refuses music that music21 would need minutes for.

    Raises:
        UserError: a bar has too many signs, or a length too many digits.
    """
    music = []
    for line in text.split("\n"):
        if re.match(r"[LM]:", line) or not re.match(r"[A-Za-z]:|%", line):
            music.append(re.sub(r'"[^"]*"|\[[A-Za-z]:[^]]*\]|![^!]*!|%.*', "", line))
    if number := re.search(rf"\d{{{MOST_DIGITS + 1},}}", "\n".join(music)):
        raise UserError(f"a length of {number[0][:20]} in ABC; wanted {MOST_DIGITS} digits at most")
    bars = "".join(line for line in music if not re.match(r"[LM]:", line)).split("|")
    most = max(len("".join(bar.split())) for bar in bars)  # music21 reads any letter as a note
    if len(bars) > 1 and most > MOST_SIGNS_OF_A_BAR:
        raise UserError(f"a bar of {most} signs in ABC; wanted {MOST_SIGNS_OF_A_BAR} at most")


def _coded(handler: Any) -> dict[str, str]:
    """Puts a plain chord in place of each chord symbol, so that music21 keeps it in its place.

    Returns:
        Plain chord -> the symbol as it is spelled.
    """
    from music21 import abcFormat

    codes: dict[str, str] = {}
    roots, kinds = "CDEFGAB", ("", "m", "7", "m7", "6", "m6", "9", "m9")
    unused = (f"{root}{kind}/{bass}" for root, kind, bass in product(roots, kinds, roots))
    for token in handler.tokens:
        if isinstance(token, abcFormat.ABCNote):
            symbols = [symbol.strip('" ') for symbol in token.chordSymbols]
            chords = [symbol for symbol in symbols if symbol and symbol[0] not in ANNOTATION]
            if chords and chords[0] not in codes:
                codes[chords[0]] = next(unused)
            token.chordSymbols = [codes[symbol] for symbol in chords[:1]]
    return {code: symbol for symbol, code in codes.items()}


def _chord(symbol: str) -> tuple[list[int], int] | None:
    """Pitch classes and bass of a symbol; None if it is not known."""
    try:
        classes, bass = chord(symbol)
    except UserError:
        return None
    return classes.nonzero()[0].tolist(), bass


@contextlib.contextmanager
def _quiet() -> Iterator[io.StringIO]:
    """Catches what music21 writes to the screen."""
    messages = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stderr(messages):
        warnings.simplefilter("ignore")
        yield messages


def _parsed(text: str, form: str) -> tuple[Any, str]:
    """A stream of music21 as it sounds, and what music21 says about it."""
    from music21 import converter

    with _quiet() as messages:
        parsed: Any = converter.parseData(text, format=form)
        if "<transpose" in text:
            parsed.toSoundingPitch(inPlace=True)
    return parsed, messages.getvalue()


def _score(
    parsed: tuple[Any, str],
    name: str,
    *,
    percussion: Percussion | None = None,
    spelled: dict[str, str] | None = None,
) -> Score:
    """The score of a stream of music21.

    Args:
        parsed: the stream, and what music21 says about it.
        name: the tune's.
        percussion: the drums of the notes without pitch.
        spelled: the chord symbols that plain chords stand for, see `_coded`.
    """
    from music21 import key, meter, stream

    tune, messages = parsed
    score = Score(name, [])
    if lines := messages.strip().splitlines():
        score.remarks.append(f"{len(lines)} places are not understood, first: {lines[0][:100]}")
    voices: list[Voice] = []
    with _quiet():
        for number, part in enumerate(tune.parts if isinstance(tune, stream.Score) else [tune]):
            flat = part.stripTies().flatten()
            score.symbols += _symbols(flat, spelled)
            voices += _voices(part, flat, f"part {number + 1}", percussion=percussion or {})
            if number == 0:
                signatures = flat.getElementsByClass(key.KeySignature)
                score.keys = [(float(k.offset), 7 * k.sharps % 12) for k in signatures]
                score.meters = [
                    (float(m.offset), m.numerator, m.denominator)
                    for m in flat.getElementsByClass(meter.TimeSignature)
                ]
                score.pickup = _pickup(part)
        tempos = _tempos(tune)
    score.parts = [[note[:3] for note in voice.notes] for voice in voices if not voice.drums]
    score.recording = Recording(voices, tempos[0] if tempos else None, len(set(tempos)) > 1)
    return score


def _symbols(flat: Any, spelled: dict[str, str] | None) -> Iterator[tuple[float, list[int], int]]:
    from music21 import harmony

    for symbol in flat.getElementsByClass(harmony.ChordSymbol):
        onset = float(symbol.offset)
        if spelled is not None:
            known = _chord(spelled.get(symbol.figure, ""))
            if known is not None:
                yield onset, *known
        elif isinstance(symbol, harmony.NoChord):
            yield onset, [], -1
        elif classes := sorted({pitch.pitchClass for pitch in symbol.pitches}):
            bass = symbol.bass()
            yield onset, classes, bass.pitchClass if bass else -1


def _voices(part: Any, flat: Any, title: str, *, percussion: Percussion) -> Iterator[Voice]:
    """The part's notes with a pitch as one voice, its drums as another."""
    from music21 import dynamics, harmony, note

    instrument = part.getInstrument(returnDefault=True)
    is_drums = instrument is not None and instrument.midiChannel == DRUM_CHANNEL
    marks = [(float(m.offset), m.volumeScalar) for m in flat.getElementsByClass(dynamics.Dynamic)]
    loudness = [scalar for _, scalar in marks]
    pitched: list[tuple[float, float, int, int]] = []
    drums: list[tuple[float, float, int, int]] = []
    for element in flat.notes:
        onset, end = float(element.offset), float(element.offset + element.quarterLength)
        if isinstance(element, harmony.ChordSymbol) or end <= onset:
            continue
        last = bisect.bisect_right([offset for offset, _ in marks], onset) - 1
        marked = round(127 * loudness[last]) if last >= 0 else VELOCITY
        velocity = min(max(int(element.volume.velocity or marked), 1), 127)
        for member in element.notes if hasattr(element, "notes") else [element]:
            if isinstance(member, note.Unpitched):
                staff_line = (member.displayStep, str(member.displayOctave))
                if staff_line in percussion:
                    drums.append((onset, end, percussion[staff_line], velocity))
            else:
                (drums if is_drums else pitched).append((onset, end, member.pitch.midi, velocity))
    program = instrument.midiProgram if instrument else None
    if pitched:
        yield Voice(part.partName or title, program or 0, False, sorted(pitched))
    if drums:
        yield Voice(part.partName or title, 0, True, sorted(drums))


def _percussion(text: str) -> Percussion:
    """The drums of MusicXML's notes without pitch, which music21 leaves out."""
    if "<midi-unpitched" not in text:
        return {}
    root = ElementTree.fromstring(text)
    pitches = {
        element.get("id"): int(element.findtext("midi-unpitched", "1")) - 1
        for element in root.iter("midi-instrument")
    }
    places: Percussion = {}
    for sound in root.iter("note"):
        written, instrument = sound.find("unpitched"), sound.find("instrument")
        drum = None if instrument is None else pitches.get(instrument.get("id"))
        if written is not None and drum is not None and 0 <= drum < 128:
            places[written.findtext("display-step"), written.findtext("display-octave")] = drum
    return places


def _tempos(tune: Any) -> list[float]:
    """Quarter notes a minute, in order."""
    from music21 import tempo

    marks = [mark.getQuarterBPM() for mark in tune.flatten()[tempo.MetronomeMark]]
    return [float(mark) for mark in marks if mark]


def _pickup(part: Any) -> float:
    from music21 import stream

    first = part.getElementsByClass(stream.Measure).first()
    if first is None:
        return 0.0
    length, whole = float(first.duration.quarterLength), float(first.barDuration.quarterLength)
    return length if 0 < length < whole else 0.0
