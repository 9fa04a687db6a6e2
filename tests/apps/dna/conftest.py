"""Fixtures of dna."""

import json

import pytest

from seqapps.apps.dna import ingest
from seqapps.config import UserError

SMALL_GENOME = ">chr1 first\nACGTACGTAC\nGGGGGCCCCC\nACGTACGTAC\n>chr2\nTTTTTTTTTT\nAAAAA\n"


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """A folder to stand in; no package can be fetched."""

    def refuse(client, name, version, **_):
        raise UserError(f"{client} could not fetch {name} {version}")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ingest.fetch, "package", refuse)
    (tmp_path / "genome.fa").write_text(SMALL_GENOME)
    (tmp_path / "out").mkdir()
    return tmp_path


# Position n (from 0) of chr1 is base n of this text.
CHR1 = "ACGTACGTACGGGGGCCCCCTTTTTACGTACGTACGTAAA"


GENOME = f">chr1\n{CHR1}\n>chr2\nACACACACAC\n>chr3\nANNNNTNNNNNNNN\n>empty\n"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder to stand in, with a genome and the assets of a model with a 10 bp window."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "genome.fa").write_text(GENOME)
    (tmp_path / "assets.json").write_text(json.dumps({"factors": ["x", "y"], "window_bp": 10}))
    return tmp_path
