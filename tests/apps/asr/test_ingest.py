"""Readers: the packages' byte layouts on hand-made bytes, and the user's three layouts."""

from seqapps import config
from seqapps.apps.asr import ingest
from tests.apps.asr.conftest import noisy, parameters, write


def ljspeech(folder):
    lines = []
    for number, said in enumerate(("Dr. No|Doctor No", "In 1999|In nineteen ninety nine")):
        write(folder / "wavs" / f"LJ{number}.wav", noisy(1.0), 22050)
        lines.append(f"LJ{number}|{said}")
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_ingest_of_a_users_folder_lists_the_clips_and_leaves_them_there(tmp_path):
    folder, out = ljspeech(tmp_path / "lj"), tmp_path / "out"
    out.mkdir()
    params = parameters(ingest={"source": "user", "folder": str(folder)})
    assert ingest.ingest(config.upto(params, "ingest"), out) == {"clips of user": 2}
    rows = list(ingest.clips(out))
    assert [row["path"].parent for row in rows] == [folder / "wavs"] * 2
    assert sorted(p.name for p in out.iterdir()) == [
        "clips.jsonl",
        "left_out.jsonl",
        "manifest.json",
        "scripts.jsonl",
    ]
