"""MusicXML, ABC and kern against notes and chords written by hand."""

import io
import time
import zipfile

import pytest

from seqapps.app import Skip
from seqapps.apps.jazz import notation
from seqapps.config import UserError
from tests.apps.jazz.conftest import ABC, KERN

HEAD = "X:1\nT:One\nM:4/4\nL:1/8\nK:G\n"
ATTRIBUTES = (
    "<attributes><divisions>1</divisions><key><fifths>{}</fifths></key>"
    "<time><beats>4</beats><beat-type>4</beat-type></time>{}</attributes>"
)
DOWN_A_NINTH = (
    "<transpose><diatonic>-1</diatonic><chromatic>-2</chromatic>"
    "<octave-change>-1</octave-change></transpose>"
)
DYNAMICS = "<direction><direction-type><dynamics><{}/></dynamics></direction-type></direction>"
METRONOME = (
    "<direction><direction-type><metronome><beat-unit>half</beat-unit>"
    "<per-minute>100</per-minute></metronome></direction-type></direction>"
)


def one(text):
    [score] = notation.scores(text if isinstance(text, bytes) else text.encode(), "tune")
    return score


def note(step, octave=4, before=""):
    pitch = f"<pitch><step>{step}</step><octave>{octave}</octave></pitch>"
    return f"{before}<note>{pitch}<duration>1</duration></note>"


def harmony(root, kind):
    return f"<harmony><root><root-step>{root}</root-step></root><kind>{kind}</kind></harmony>"


def xml(*measures, names=("Lead",), instruments=("",), encoding="UTF-8"):
    """MusicXML of parts of a measure each."""
    listed = "".join(
        f'<score-part id="P{n}"><part-name>{name}</part-name>{more}</score-part>'
        for n, (name, more) in enumerate(zip(names, instruments, strict=True))
    )
    parts = "".join(
        f'<part id="P{n}"><measure number="1">{measure}</measure></part>'
        for n, measure in enumerate(measures)
    )
    return (
        f'<?xml version="1.0" encoding="{encoding}"?>\n<score-partwise version="3.1">'
        f"<part-list>{listed}</part-list>{parts}</score-partwise>"
    )


FOUR = ATTRIBUTES.format(0, "") + "".join(map(note, "CDEF"))
PLAYED = [(0.0, 1.0, 60), (1.0, 2.0, 62), (2.0, 3.0, 64), (3.0, 4.0, 65)]


def test_several_tunes_in_one_abc_are_several_scores():
    first, second = notation.scores(ABC.encode(), "set")
    assert first.parts[0][:3] == [(0.0, 0.5, 67), (0.5, 1.0, 69), (1.0, 1.5, 71)]
    assert first.symbols == [(0.0, [2, 7, 11], 7), (2.0, [0, 2, 6, 9], 2), (4.0, [2, 7, 11], 7)]
    assert (first.keys, second.keys) == ([(0.0, 7)], [(0.0, 7)])
    assert second.meters == [(0.0, 6, 8)]


def test_a_tune_of_an_abc_that_cannot_be_read_is_left_out_alone():
    broken = 'X:2\nM:4/4\nL:1/8\nK:C\n[[[|||"""((( (3 {\n'
    first, second, third = notation.scores(f"{HEAD}CDEF|\n{broken}X:3\nK:D\nDE|\n".encode(), "t")
    assert (first.name, third.name) == ("t-1", "t-3")
    assert isinstance(second, Skip)
    assert (second.key, second.reason[:34]) == ("t-2", "cannot be read (ABCHandlerExceptio")


@pytest.mark.parametrize(
    ("symbol", "classes", "bass"),
    [
        ("A-7", [0, 4, 7, 9], 9),
        ("Bb-7", [1, 5, 8, 10], 10),
        ("C^7", [0, 4, 7, 11], 0),
        ("CΔ7", [0, 4, 7, 11], 0),
        ("C6/9", [0, 2, 4, 7, 9], 0),
        ("F#m7(b5)", [0, 4, 6, 9], 6),
        ("G7/B", [2, 5, 7, 11], 11),
        ("NC", [], -1),
        ("N.C.", [], -1),
    ],
)
def test_chord_symbols_of_abc_are_those_of_fake_books(symbol, classes, bass):
    score = one(f'{HEAD}"D7"GABc "^slow""{symbol}"d2 d2|')
    assert score.symbols == [(0.0, [0, 2, 6, 9], 2), (2.0, classes, bass)]
    assert score.remarks == []


def test_chord_symbols_that_are_not_known_are_named():
    score = one(f'{HEAD}"D7"GABc "Fine"d2 "H7"d2|')
    assert score.symbols == [(0.0, [0, 2, 6, 9], 2)]
    assert score.remarks == ["chord symbols that are not known: Fine, H7"]


def test_every_root_of_abc_is_kept_apart():
    names = [f"{root}{kind}" for root in "CDEFGAB" for kind in ("", "-7", "^7", "7alt")]
    score = one(HEAD + "".join(f'"{name}"G8|' for name in names))
    expected = [bass for bass in (0, 2, 4, 5, 7, 9, 11) for _ in range(4)]
    assert [symbol[2] for symbol in score.symbols] == expected
    assert score.symbols[1][1] == [0, 3, 7, 10]


def test_latin1_is_read_and_said():
    score = one(
        ABC.replace("X:2", "T:x\nX:2").split("X:2")[0].replace("One", "Été").encode("latin-1")
    )
    assert score.remarks == ["is no UTF-8; it is read as cp1252"]


@pytest.mark.parametrize(
    ("music", "reason"),
    [
        ("A9999|A8|A8|", "a length of 9999 in ABC"),
        ("A" * 6000 + "|A8|A8|", "a bar of 6000 signs in ABC; wanted 500 at most"),
        ("उ" * 3000 + "|A8|A8|", "a bar of 3000 signs in ABC; wanted 500 at most"),
    ],
)
def test_abc_for_which_music21_needs_minutes_is_refused(music, reason):
    begin = time.monotonic()
    assert one(HEAD + music).reason.startswith(reason)
    assert time.monotonic() - begin < 5


def test_texts_of_abc_may_hold_long_numbers():
    text = HEAD.replace("T:One", "T:1920s\nN:12345") + '"^bar 1000"GABc d2 d2|% 123456\nB4 B4|\n'
    assert len(one(text).parts[0]) == 8


@pytest.mark.parametrize(("mark", "tempo"), [("Q:1/4=200", 200), ("Q:3/8=100", 150)])
def test_the_tempo_of_abc_is_in_quarter_notes(mark, tempo):
    assert one(HEAD.replace("K:", f"{mark}\nK:") + "GABc d2 d2|B8|").recording.tempo == tempo


def test_kern_is_read():
    score = one(KERN)
    assert score.parts == [[(0.0, 1.0, 67), (1.0, 1.5, 69), (1.5, 2.0, 71), (2.0, 4.0, 72)]]
    assert (score.keys, score.meters) == ([(0.0, 7)], [(0.0, 2, 4)])


def test_what_music21_does_not_understand_is_said_and_not_printed(capsys):
    [remark] = one(KERN.replace("8a", "8?")).remarks
    assert remark.startswith("1 places are not understood, first: humdrum")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16", "ISO-8859-1", "Shift_JIS", "cp1251"])
def test_musicxml_is_read_in_the_encoding_that_it_declares(encoding):
    name = {"Shift_JIS": "日本", "cp1251": "Я"}.get(encoding, "é")
    score = one(xml(FOUR, names=(name,), encoding=encoding).encode(encoding))
    assert (score.parts, score.names) == ([PLAYED], [name])


def test_a_zips_container_names_its_score():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.xml", "<other/>")
        archive.writestr("deep/b.musicxml", xml(FOUR))
        root = (
            '<container><rootfiles><rootfile full-path="deep/b.musicxml"/></rootfiles></container>'
        )
        archive.writestr("META-INF/container.xml", root)
    assert one(packed.getvalue()).parts == [PLAYED]


@pytest.mark.parametrize("content", ["<html><body/></html>", '<?xml version="1.0"?><svg></svg>'])
def test_xml_of_another_kind_is_refused(content):
    with pytest.raises(UserError, match="XML, but no MusicXML; wanted MIDI, MusicXML"):
        one(content)


def test_a_zip_that_grows_too_large_is_refused(monkeypatch):
    monkeypatch.setattr(notation, "MOST_BYTES", 100)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.xml", xml(FOUR))
    with pytest.raises(UserError, match="a zip file whose score has more than 100 bytes"):
        one(packed.getvalue())


def test_a_transposing_instrument_is_read_as_it_sounds():
    measure = ATTRIBUTES.format(2, DOWN_A_NINTH) + harmony("A", "minor-seventh")
    score = one(xml(measure + "".join(note(step, 5) for step in "DEFG")))
    assert [pitch for _, _, pitch in score.parts[0]] == [60, 62, 63, 65]
    assert score.symbols == [(0.0, [2, 5, 7, 10], 7)]
    assert score.keys == [(0.0, 0)]


def test_no_chord_of_musicxml_ends_the_chord_before():
    measure = ATTRIBUTES.format(0, "") + harmony("D", "minor") + note("C") + note("D")
    score = one(xml(measure + harmony("C", "none") + note("E") + note("F")))
    assert score.symbols == [(0.0, [2, 5, 9], 2), (2.0, [], -1)]


def test_dynamics_tempo_and_program_of_musicxml_are_kept():
    program = (
        '<score-instrument id="I"><instrument-name>Sax</instrument-name></score-instrument>'
        '<midi-instrument id="I"><midi-channel>1</midi-channel><midi-program>67</midi-program>'
        "</midi-instrument>"
    )
    measure = (
        ATTRIBUTES.format(0, "") + METRONOME + note("C") + note("D", before=DYNAMICS.format("pp"))
    )
    score = one(xml(measure + note("E", before=DYNAMICS.format("ff")), instruments=(program,)))
    [voice] = score.recording.voices
    assert (voice.program, voice.drums, score.recording.tempo) == (66, False, 200.0)
    plain, soft, loud = (velocity for *_, velocity in voice.notes)
    assert (plain, soft) == (64, 32) and loud > 90


def test_drums_of_musicxml_are_kept_apart_from_the_parts():
    kit = "".join(
        f'<score-instrument id="I{n}"><instrument-name>{n}</instrument-name></score-instrument>'
        f'<midi-instrument id="I{n}"><midi-channel>10</midi-channel><midi-program>1</midi-program>'
        f"<midi-unpitched>{n + 1}</midi-unpitched></midi-instrument>"
        for n in (36, 38)
    )
    hits = "".join(
        f"<note><unpitched><display-step>{step}</display-step><display-octave>{octave}"
        f'</display-octave></unpitched><duration>1</duration><instrument id="I{n}"/></note>'
        for step, octave, n in (("F", 4, 36), ("C", 5, 38)) * 2
    )
    drums = ATTRIBUTES.format(0, "") + hits
    score = one(xml(FOUR, drums, names=("Lead", "Drums"), instruments=("", kit)))
    assert score.parts == [PLAYED]
    kit_voice = score.recording.voices[1]
    assert (kit_voice.name, kit_voice.drums) == ("Drums", True)
    assert [pitch for _, _, pitch, _ in kit_voice.notes] == [36, 38, 36, 38]
