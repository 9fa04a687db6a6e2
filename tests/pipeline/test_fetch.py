import hashlib
import io
import os
import tarfile
import zipfile

import pytest

from seqapps.config import UserError
from seqapps.pipeline import fetch

CONTENT = b"archive"
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def client(tmp_path, monkeypatch):
    """An npm that writes its argument's archive, or fails as often as it is told to."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fetch.time, "sleep", lambda seconds: None)
    script = tmp_path / "bin/npm"
    script.parent.mkdir()
    script.write_text(
        "#!/bin/sh\n"
        f"echo call >> {tmp_path}/calls\n"
        f'echo "$@" > {tmp_path}/words\n'
        f'if [ "$(wc -l < {tmp_path}/calls)" -le "$FAILURES" ]; then echo "E404 gone" >&2; exit 1; '
        'fi\nprintf "$CONTENT" > "$4/thing-1.0.tgz"\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("FAILURES", "0")
    monkeypatch.setenv("CONTENT", CONTENT.decode())
    return lambda: fetch.package(
        "npm", name="thing", version="1.0", filename="thing-1.0.tgz", sha256=SHA
    )


def calls(tmp_path):
    return len((tmp_path / "calls").read_text().splitlines())


def test_an_archive_is_fetched_once_and_then_served_from_the_cache(client, tmp_path, monkeypatch):
    assert client().read_bytes() == CONTENT
    monkeypatch.setenv("PATH", "/nowhere")
    assert client().read_bytes() == CONTENT
    assert calls(tmp_path) == 1


def test_a_failing_client_is_tried_again(client, tmp_path, monkeypatch):
    monkeypatch.setenv("FAILURES", "2")
    assert client().read_bytes() == CONTENT
    assert calls(tmp_path) == 3


def test_a_client_that_keeps_failing_is_quoted_with_the_way_out(client, monkeypatch):
    monkeypatch.setenv("FAILURES", "9")
    with pytest.raises(UserError, match=r'E404 gone.*source = "user"'):
        client()


def test_npm_runs_no_scripts_and_does_not_wait_between_attempts(client, tmp_path):
    client()
    words = (tmp_path / "words").read_text().split()
    assert {"--ignore-scripts", "--fetch-retries=0"} < set(words)


@pytest.mark.parametrize(
    ("message", "telling"),
    [
        (
            "npm error code ENOTFOUND\nnpm error syscall getaddrinfo\nnpm error errno ENOTFOUND\n"
            "npm error network request to https://r/x failed, reason: getaddrinfo ENOTFOUND r\n"
            "npm error network This is a problem related to network connectivity.\n"
            "npm error A complete log of this run can be found in: /root/.npm/_logs/debug-0.log\n",
            "network request to https://r/x failed, reason: getaddrinfo ENOTFOUND r",
        ),
        (
            "npm ERR! code E404\nnpm ERR! 404 Not Found - GET https://r/x\nnpm ERR! 404 \n",
            "404 Not Found - GET https://r/x",
        ),
        ("Err:1 http://d stable\nE: Unable to locate package x\n", "E: Unable to locate package x"),
        ("\n", "no message"),
    ],
)
def test_the_line_that_tells_what_failed_is_shown(message, telling):
    assert fetch.reason(message) == telling


def test_a_changed_archive_is_refused_and_not_kept(client, tmp_path, monkeypatch):
    monkeypatch.setenv("CONTENT", "other")
    with pytest.raises(UserError, match="sha256 is .* pinned is"):
        client()
    assert not (tmp_path / "data/cache/thing-1.0.tgz").exists()


def test_a_damaged_cache_is_fetched_again(client, tmp_path):
    client().write_bytes(b"half")
    assert client().read_bytes() == CONTENT


def test_a_missing_client_is_named(client, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UserError, match=r"npm client is missing.*source = \"user\""):
        client()


def test_members_are_read_from_wheels_and_tarballs(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as wheel:
        wheel.writestr("p/x.txt", "x")
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as bundle:
        entry = tarfile.TarInfo("./p/x.txt")
        entry.size = 1
        bundle.addfile(entry, io.BytesIO(b"x"))
    for name in ("a.whl", "a.tar.gz"):
        assert fetch.member(tmp_path / name, "p/x.txt") == b"x"
        with pytest.raises(UserError, match=f"{name} has no member 'p/y.txt'"):
            fetch.member(tmp_path / name, "p/y.txt")
