import bz2
import gzip
import lzma
from pathlib import Path

import pytest

from seqapps.app import UserFile
from seqapps.config import UserError
from seqapps.kit import files

TEXT = "señor, 5 €\n"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]
)
def test_text_is_read_in_any_of_its_encodings(tmp_path, encoding):
    (tmp_path / "a.csv").write_bytes(TEXT.encode(encoding))
    assert files.text(tmp_path / "a.csv") == (TEXT, encoding)


def test_a_byte_that_no_code_page_knows_is_latin_1():
    assert files.decoded(b"a\x81\xe9") == ("a\x81é", "latin-1")


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_line_ends_are_alike(ends):
    assert files.decoded(ends.join("abc").encode()).text == "a\nb\nc"


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress, bytes])
def test_compression_is_known_by_content(tmp_path, compress):
    (tmp_path / "a.csv").write_bytes(compress(TEXT.encode()))
    assert files.content(tmp_path / "a.csv") == TEXT.encode()


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_damaged_compression_is_a_sentence(tmp_path, compress):
    whole = compress(TEXT.encode() * 100)
    for damaged in (whole[:-9], whole[: len(whole) // 2], whole[:20] + b"xxxx" + whole[24:]):
        (tmp_path / "a.csv").write_bytes(damaged)
        with pytest.raises(UserError, match="a.csv is .* damaged or cut short; compress it anew"):
            files.content(tmp_path / "a.csv")


def test_a_file_is_named_as_the_user_named_it_else_by_its_path(tmp_path):
    (tmp_path / "a.csv").write_bytes(gzip.compress(TEXT.encode())[:-9])
    (tmp_path / "b.csv").write_bytes(b"Close\n1,\0\n")
    for path in (tmp_path / "a.csv", tmp_path / "b.csv", tmp_path / "none.csv"):
        for name in ("x/mine.csv", ""):
            with pytest.raises(UserError) as refusal:
                files.text(path, name=name)
            assert str(refusal.value).startswith(f"{name or path} ")


def test_zero_bytes_are_no_text(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"Date,Close\n2001-01-01,\x00\x00\n")
    with pytest.raises(UserError, match="a.csv holds zero bytes"):
        files.text(tmp_path / "a.csv")


def test_folders_are_walked_and_names_tell_files_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("x/a.b/c.txt", "x/d.txt", "x/.e", "x/.git/f", "y/d.txt"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    listed = files.listed([Path("x"), Path("y/d.txt")])
    assert [file.name for file in listed] == ["a.b/c.txt", "x/d.txt", "y/d.txt"]
    assert listed[0] == UserFile(Path("x/a.b/c.txt"), "a.b/c.txt")


def test_a_missing_path_and_an_empty_folder_are_named(tmp_path):
    with pytest.raises(UserError, match="none: no such file or folder"):
        files.listed([tmp_path / "none"])
    with pytest.raises(UserError, match="the folder holds no file"):
        files.listed([tmp_path])
