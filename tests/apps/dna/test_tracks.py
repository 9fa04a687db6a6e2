"""Files for a genome browser."""

import importlib.util
import sys
from types import SimpleNamespace

import pytest

from seqapps.apps.dna import tracks


def graph(folder, windows, stride_bp=10):
    with tracks.Browser(folder, "a/b.fa", factors=["x"], stride_bp=stride_bp) as browser:
        for number, window in enumerate(windows):
            browser.window(window, [number / 10])
    lines = (folder / "a~b.fa.x.bedgraph").read_text().splitlines()
    return [line.split("\t") for line in lines]


def test_a_window_gives_its_value_to_the_bases_in_its_middle(tmp_path):
    windows = [("chr1", 0, 50), ("chr1", 10, 60), ("chr1", 17, 67)]
    assert graph(tmp_path, windows) == [
        ["chr1", "20", "30", "0"],
        ["chr1", "30", "40", "0.1"],
        ["chr1", "40", "47", "0.2"],
    ]


def test_windows_further_apart_than_they_are_long_give_it_to_their_own_bases(tmp_path):
    assert graph(tmp_path, [("chr1", 0, 5), ("chr1", 10, 15)])[1] == ["chr1", "10", "15", "0.1"]


def test_places_that_come_again_are_left_out_of_the_track_and_counted(tmp_path, capsys):
    windows = [("chr1", 100, 150), ("chr1", 50, 100), ("chr2", 0, 50), ("chr1", 900, 950)]
    assert [line[:2] for line in graph(tmp_path, windows)] == [["chr1", "120"], ["chr2", "20"]]
    assert "2 windows are not in the track" in capsys.readouterr().out


def test_without_pybigwig_a_sentence_says_how_to_get_bigwig(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    graph(tmp_path, [("chr1", 0, 50)])
    assert "pip install pyBigWig" in capsys.readouterr().out


def test_with_pybigwig_each_track_is_bigwig_too(tmp_path, monkeypatch):
    calls = []
    file = SimpleNamespace(
        addHeader=calls.append,
        addEntries=lambda *columns, **named: calls.append((*columns, named)),
        close=lambda: calls.append("closed"),
    )
    module = SimpleNamespace(open=lambda path, mode: calls.append((path, mode)) or file)
    monkeypatch.setitem(sys.modules, "pyBigWig", module)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: module)
    monkeypatch.setattr(tracks, "ENTRIES_AT_ONCE", 2)
    graph(tmp_path, [("chr1", 0, 50), ("chr1", 10, 60), ("chr2", 0, 50)])
    assert calls == [
        (str(tmp_path / "a~b.fa.x.bw"), "w"),
        [("chr1", 40), ("chr2", 30)],
        (["chr1", "chr1"], [20, 30], {"ends": [30, 40], "values": [0.0, 0.1]}),
        (["chr2"], [20], {"ends": [30], "values": [0.2]}),
        "closed",
    ]


def test_a_real_bigwig_holds_the_values(tmp_path):
    library = pytest.importorskip("pyBigWig")
    graph(tmp_path, [("chr1", 0, 50), ("chr1", 10, 60), ("chr2", 0, 50)])
    file = library.open(str(tmp_path / "a~b.fa.x.bw"))
    assert file.intervals("chr1") == ((20, 30, 0.0), (30, 40, pytest.approx(0.1)))
