import os

from seqapps.artifacts import durable


def test_a_file_is_written_whole_and_replaces_the_old_one(tmp_path):
    path = tmp_path / "a.json"
    durable.write_json(path, {"b": [1]})
    durable.write_json(path, {"b": [2]})
    assert durable.read_json(path) == {"b": [2]}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_what_is_renamed_has_been_forced_to_the_disk(tmp_path, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        original = getattr(os, name)

        def noted(*args, name=name, original=original):
            calls.append(name)
            return original(*args)

        monkeypatch.setattr(os, name, noted)
    durable.write_bytes(tmp_path / "a", b"1")
    assert calls == ["fsync", "replace", "fsync"]


def test_what_cannot_be_read_counts_as_absent(tmp_path):
    assert durable.read_json(tmp_path / "none") is None
    (tmp_path / "half").write_text('{"a": ')
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    assert durable.read_json(tmp_path / "half") is durable.read_json(tmp_path / "bytes") is None
