"""Archives of a package index: downloaded as files, compared, never run."""

import hashlib
import io
import json
import os
import tarfile
import threading
import zipfile
from base64 import b64encode
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from seqapps.config import UserError
from seqapps.pipeline import fetch, simple_index

SDIST, WHEEL = "thing-1.0.tar.gz", "thing-1.0-py3-none-any.whl"


def sdist(witness):
    """A source archive whose setup.py writes the file `witness`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as bundle:
        script = f"open({str(witness)!r}, 'w').write('run')\nimport setuptools\nsetuptools.setup()"
        for name, text in {"setup.py": script, "PKG-INFO": "Name: thing\nVersion: 1.0\n"}.items():
            entry = tarfile.TarInfo(f"thing-1.0/{name}")
            entry.size = len(text)
            bundle.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


def wheel():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle:
        info = "thing-1.0.dist-info"
        bundle.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n")
        bundle.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        bundle.writestr(f"{info}/RECORD", "")
    return buffer.getvalue()


def sha(content):
    return hashlib.sha256(content).hexdigest()


class Handler(SimpleHTTPRequestHandler):
    """Files of a folder; JSON where there is some, and only for who knows the password."""

    password = ""

    def do_GET(self):
        wanted = f"Basic {b64encode(self.password.encode()).decode()}"
        if self.password and self.headers["Authorization"] != wanted:
            self.send_error(401)
            return
        super().do_GET()

    def guess_type(self, path):
        return "application/vnd.pypi.simple.v1+json" if path.endswith("json") else "text/html"

    def log_message(self, *_):
        pass


class Index:
    """A package index on the loopback, with one package `thing`."""

    def __init__(self, folder, port):
        self.folder, self.port = folder / "simple/thing", port
        self.url = f"http://127.0.0.1:{port}/simple"
        self.witness = folder / "witness"
        self.folder.mkdir(parents=True)

    def add(self, filename, content, *, announced=True):
        (self.folder / filename).write_bytes(content)
        fragment = f"#sha256={sha(content)}" if announced else ""
        with (self.folder / "index.html").open("a") as page:
            page.write(f'<a href="{filename}{fragment}">{filename}</a>\n')


@pytest.fixture
def index(tmp_path, monkeypatch):
    folder = tmp_path / "served"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    index = Index(folder, server.server_address[1])
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", index.url)
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setattr(fetch.time, "sleep", lambda seconds: None)
    monkeypatch.chdir(tmp_path)
    yield index
    server.shutdown()
    server.server_close()


def fetched(filename, digest):
    path = fetch.package("pip", name="Thing", version="1.0", filename=filename, sha256=digest)
    return path.read_bytes()


def test_a_source_archive_is_fetched_and_its_setup_py_is_not_run(index):
    content = sdist(index.witness)
    index.add(SDIST, content)
    assert fetched(SDIST, sha(content)) == content
    assert not index.witness.exists()


def test_a_source_archive_with_another_sha256_is_refused_and_not_run(index, tmp_path):
    index.add(SDIST, sdist(index.witness))
    with pytest.raises(UserError, match=f"pinned is sha256 {'0' * 64}, the package index has"):
        fetched(SDIST, "0" * 64)
    assert not index.witness.exists() and not (tmp_path / "data/cache" / SDIST).exists()


def test_a_file_whose_sha256_is_not_announced_is_compared_after_the_download(index, tmp_path):
    content = sdist(index.witness)
    index.add(SDIST, content, announced=False)
    with pytest.raises(UserError, match=f"sha256 is {sha(content)}, pinned is {'0' * 64}"):
        fetched(SDIST, "0" * 64)
    assert not index.witness.exists() and not (tmp_path / "data/cache" / SDIST).exists()
    assert fetched(SDIST, sha(content)) == content


def test_a_wheel_is_downloaded_by_pip_and_compared(index):
    content = wheel()
    index.add(WHEEL, content)
    assert fetched(WHEEL, sha(content)) == content


def test_a_wheel_with_another_sha256_is_refused_at_once(index, capsys):
    index.add(WHEEL, wheel(), announced=False)
    with pytest.raises(UserError, match=f"sha256 is {sha(wheel())}, pinned is {'0' * 64}"):
        fetched(WHEEL, "0" * 64)
    assert "trying again" not in capsys.readouterr().out


def test_pip_never_builds_a_source_archive_for_a_wheel(index):
    index.add(SDIST, sdist(index.witness))
    with pytest.raises(UserError, match="No matching distribution"):
        fetched(WHEEL, sha(wheel()))
    assert not index.witness.exists()


def test_an_index_may_answer_in_json(index):
    content = sdist(index.witness)
    (index.folder / SDIST).write_bytes(content)
    entry = {"filename": SDIST, "url": SDIST, "hashes": {"sha256": sha(content)}}
    (index.folder / "page.json").write_text(json.dumps({"files": [entry]}))
    page = f"{index.url}/thing/page.json"
    known = simple_index.files(page, simple_index.configured())
    assert known == {SDIST: (f"{index.url}/thing/{SDIST}", sha(content))}


def test_pips_further_indexes_and_folders_of_links_are_searched(index, tmp_path, monkeypatch):
    content = sdist(index.witness)
    index.add(SDIST, content)
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{index.port}/nothing")
    with pytest.raises(UserError, match=r'404.*source = "user"'):
        fetched(SDIST, sha(content))
    monkeypatch.setenv(
        "PIP_EXTRA_INDEX_URL", f"{(tmp_path / 'served/simple').as_uri()} {index.url}"
    )
    assert fetched(SDIST, sha(content)) == content
    (tmp_path / "data/cache" / SDIST).unlink()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index.folder.relative_to(tmp_path)))
    (index.folder / "index.html").unlink()
    assert fetched(SDIST, sha(content)) == content


def test_a_files_setting_is_overruled_by_the_environment(index, tmp_path, monkeypatch):
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = http://one/simple\nno-index = false\n"
        "[download]\nextra-index-url = http://two/simple http://three/simple\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    further = ("http://two/simple", "http://three/simple")
    assert simple_index.configured().indexes == (index.url, *further)
    monkeypatch.delenv("PIP_INDEX_URL")
    assert simple_index.configured().indexes == ("http://one/simple", *further)


def test_a_password_in_the_indexs_address_is_used_and_not_shown(index, monkeypatch):
    content = sdist(index.witness)
    index.add(SDIST, content)
    monkeypatch.setattr(Handler, "password", "me:se/cret")
    with pytest.raises(UserError, match="401"):
        fetched(SDIST, sha(content))
    secret = index.url.replace("//", "//me:se%2Fcret@")
    monkeypatch.setenv("PIP_INDEX_URL", secret)
    with pytest.raises(UserError, match="is on no configured package index") as refusal:
        fetched("other-1.0.tar.gz", sha(content))
    assert "cret" not in str(refusal.value)
    assert fetched(SDIST, sha(content)) == content
