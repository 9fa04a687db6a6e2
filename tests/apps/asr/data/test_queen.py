"""The reader of `queen.1c`, on hand-made bytes."""

import struct

import pytest

from seqapps.apps.asr.data import queen
from seqapps.config import UserError


def packed(files, *, sounds=queen.MP3):
    """`queen.1c` with these files."""
    at = queen.TABLE_AT + len(files) * struct.calcsize(queen.ENTRY)
    table = b"QTBLCEM10\0\0\0" + bytes([sounds]) + struct.pack(">H", len(files))
    for name, body in files.items():
        table += struct.pack(queen.ENTRY, name.encode(), 1, at, len(body))
        at += len(body)
    return table + b"".join(files.values())


def string(text, align=2, at=0):
    """A string that begins at `at`, filled up to where the next one begins."""
    raw = bytes([len(text)]) + text.encode("cp437")
    return raw + bytes(-(at + len(raw)) % align) if text else raw


def dialogue(*, key, hero, person, again=("", "")):
    """A dialogue of one level; `hero` and `person` are lists of (number, text)."""
    body = bytearray(32 + queen.LEVEL_BYTES)
    places = []
    for said in (hero, person):
        places.append(len(body))
        for number, text in said:
            body += struct.pack(">2xH", number)
            body += string(text, 4, len(body))
    again_at = len(body)
    for text in again:
        body += string(text, 2, len(body))
    struct.pack_into(">5h", body, 0, -1, 0, key, len(hero), len(person))
    struct.pack_into(">3H", body, 22, places[1], 0, again_at)
    return bytes(queen.HEADER_BYTES) + bytes(body)


def scene(*texts):
    body = bytearray(struct.pack(">6H", 0, len(texts), 0, 0, 12, 0))
    for text in ("*FL", *texts):
        body += string(text, 2, len(body))
    return bytes(queen.HEADER_BYTES) + bytes(body)


def said(files):
    return {p.name: (p.speaker, p.text, p.sound) for p in queen.pieces(packed(files))}


def sounds(*names):
    return {f"{name}.SB": name.encode() for name in names}


def test_a_dialogue_names_its_sounds_by_key_number_voice_and_piece():
    hero, person = [(0, "Hi, Bob!"), (0x2B, "Bye*FL now")], [(7, "Hello.*XY00(237,112)Joe?")]
    body = dialogue(key=3, hero=hero, person=person, again=("You again", "Me again"))
    names = ("030000J1", "03SSSSJ1", "03002BJ1", "03002BJ2", "030007P1", "030007P2")
    names += ("03XXXXP1", "03XXXXJ1", "039999J1")
    assert said({"BOB1.DOG": body, **sounds(*names)}) == {
        "030000J1": ("joe", "Hi, Bob!", b"030000J1"),
        "03SSSSJ1": ("joe", "Hi, Bob!", b"03SSSSJ1"),
        "03002BJ1": ("joe", "Bye", b"03002BJ1"),
        "03002BJ2": ("joe", "now", b"03002BJ2"),
        "030007P1": ("bob", "Hello.", b"030007P1"),
        "030007P2": ("bob", "Joe?", b"030007P2"),
        "03XXXXP1": ("bob", "You again", b"03XXXXP1"),
        "03XXXXJ1": ("joe", "Me again", b"03XXXXJ1"),
    }


def test_a_scene_names_its_sounds_by_place_and_remarks_count_from_forty_one():
    files = {"C3A.CUT": scene("", "Stop!*02Who's there?"), "QUEEN2.JAS": b"Neat*02\r\nc2c.CUT\r\n"}
    assert said(files | sounds("C3A__021", "C3A__022", "JOE00411", "JOE00431")) == {
        "C3A__021": ("scene", "Stop!", b"C3A__021"),
        "C3A__022": ("scene", "Who's there?", b"C3A__022"),
        "JOE00411": ("joe", "Neat", b"JOE00411"),
    }


def test_a_sound_with_two_texts_and_one_without_words_are_left_out():
    one = dialogue(key=12, hero=[(1, "Yes"), (2, "0")], person=[])
    other = dialogue(key=12, hero=[(1, "No")], person=[])
    files = {"A.DOG": one, "B.DOG": other}
    assert said(files | sounds("120001J1", "120002J1")) == {}


def test_another_file_under_its_name_is_refused():
    with pytest.raises(UserError, match="wanted QTBL and MP3 sounds"):
        list(queen.pieces(packed({}, sounds=0)))
