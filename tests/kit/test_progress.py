from seqapps.kit import progress


def test_elsewhere_than_on_a_terminal_a_line_is_printed_now_and_then(monkeypatch, capsys):
    seconds = iter(range(0, 1000, 8))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(seconds)))
    given = list(progress.over(range(6), what="dna preprocess", unit="examples", total=6))
    assert given == list(range(6))
    assert capsys.readouterr().out.splitlines() == [
        "dna preprocess: 2 of 6 examples, 0 a second",
        "dna preprocess: 5 of 6 examples, 0 a second",
    ]
