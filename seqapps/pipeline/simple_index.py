"""Files of Python package indexes, downloaded as files: nothing of a package is run.

`pip download` of a source archive runs its build to learn its dependencies. Here the pages of the
simple index (PEP 503, and PEP 691 in JSON) are read, from the indexes and folders that pip is
configured with.
"""

import ast
import json
import re
import shutil
import ssl
import subprocess
import sys
from dataclasses import dataclass
from html.parser import HTMLParser
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib import request
from urllib.parse import unquote, urldefrag, urljoin, urlsplit, urlunsplit

from seqapps.config import UserError

PYPI = "https://pypi.org/simple"
ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"
TIMEOUT_S = 60


@dataclass(frozen=True)
class Sources:
    """Indexes and pages of links that pip looks packages up in, and the opener of their URLs."""

    indexes: tuple[str, ...]
    links: tuple[str, ...]
    opener: request.OpenerDirector


class _Links(HTMLParser):
    """The `href` of each link of a page, and the address they are relative to."""

    def __init__(self, base: str):
        super().__init__()
        self.base, self.hrefs = base, list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        href = dict(attrs).get("href")
        if href and tag == "base":
            self.base = urljoin(self.base, href)
        elif href and tag == "a":
            self.hrefs.append(href)


def configured() -> Sources:
    """The sources of `pip download`, from pip's files and environment variables.

    Raises:
        UserError: the environment has no pip.
    """
    command = [sys.executable, "-m", "pip", "config", "list"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError("the environment has no pip: run `make clean-venv` and `make` again")
    entries = [line.partition("=") for line in done.stdout.splitlines()]
    values: dict[str, str] = {}
    for section in ("global", "download", ":env:"):  # the later one counts, as for pip
        for name, _, value in entries:
            if name.startswith(f"{section}."):
                values[name.removeprefix(f"{section}.")] = str(ast.literal_eval(value))
    indexes = [values.get("index-url", PYPI), *values.get("extra-index-url", "").split()]
    if values.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        indexes = []
    links = [_as_url(link) for link in values.get("find-links", "").split()]
    pages = (*map(_without_password, indexes), *map(_without_password, links))
    return Sources(
        pages[: len(indexes)], pages[len(indexes) :], _opener([*indexes, *links], values)
    )


def download(filename: str, *, name: str, sha256: str, folder: Path, sources: Sources) -> None:
    """Writes the archive called `filename` into `folder`; the caller compares its sha256.

    An index that announces another sha256 for the file is passed over.

    Args:
        filename: of a wheel or a source archive.
        name: of the package.
        sha256: hex digest of the archive.
        folder: an existing one.
        sources: the indexes, and the pages and folders with links.

    Raises:
        UserError: the sources have another sha256 for the file.
        OSError: no source has it, or one cannot be read.
    """
    project = re.sub(r"[-_.]+", "-", name).lower()  # PEP 503
    pages = [f"{index.rstrip('/')}/{project}/" for index in sources.indexes]
    others, problems = set(), []
    for page in [*sources.links, *pages]:
        try:
            known = files(page, sources).get(filename)
            if known and known[1] in (None, sha256):
                with _open(known[0], sources) as answer, (folder / filename).open("wb") as file:
                    shutil.copyfileobj(answer, file)
                return
            others |= {known[1]} if known else set()
        except (OSError, ValueError, HTTPException) as error:
            problems.append(f"{page}: {error}")
    if others and not problems:
        raise UserError(
            f"{filename}: pinned is sha256 {sha256}, the package index has "
            f"{', '.join(sorted(others))}; the archive was changed, and was not downloaded"
        )
    raise OSError("; ".join(problems) or f"{filename} is on no configured package index")


def files(page: str, sources: Sources) -> dict[str, tuple[str, str | None]]:
    """File -> (address, sha256 if it is announced) of the links of a page or a local folder.

    Raises:
        OSError: the page cannot be read.
        ValueError: it is no page of links.
    """
    folder = _local(page)
    if folder is not None and folder.is_dir():
        if not (folder / "index.html").exists():
            return {path.name: (path.absolute().as_uri(), None) for path in folder.iterdir()}
        page = (folder / "index.html").absolute().as_uri()
    with _open(page, sources) as answer:
        content, kind, base = answer.read(), answer.headers.get_content_type(), answer.url
    if kind.endswith("json"):
        entries = [
            (entry["url"], entry["hashes"].get("sha256")) for entry in json.loads(content)["files"]
        ]
    else:
        links = _Links(base)
        links.feed(content.decode(errors="replace"))
        base = links.base
        entries = [(urldefrag(href).url, _announced(href)) for href in links.hrefs]
    return {_filename(url): (urljoin(base, url), announced) for url, announced in entries}


def _announced(href: str) -> str | None:
    matched = re.fullmatch(r"sha256=([0-9a-f]{64})", urldefrag(href).fragment)
    return matched[1] if matched else None


def _filename(url: str) -> str:
    return unquote(urlsplit(url).path).rpartition("/")[2]


def _as_url(link: str) -> str:
    return link if "://" in link else Path(link).absolute().as_uri()


def _local(url: str) -> Path | None:
    parts = urlsplit(url)
    return Path(request.url2pathname(parts.path)) if parts.scheme == "file" else None


def _open(url: str, sources: Sources) -> Any:
    headers = {"Accept": ACCEPT, "User-Agent": "seqapps"}
    return sources.opener.open(request.Request(url, headers=headers), timeout=TIMEOUT_S)


def _opener(urls: list[str], values: dict[str, str]) -> request.OpenerDirector:
    """Opens URLs with pip's certificates and proxy, and with the passwords in `urls`."""
    passwords = request.HTTPPasswordMgrWithPriorAuth()
    for url in urls:
        parts = urlsplit(url)
        if parts.username:
            host = urlunsplit((*urlsplit(_without_password(url))[:2], "/", "", ""))
            user, password = unquote(parts.username), unquote(parts.password or "")
            passwords.add_password(None, host, user, password, is_authenticated=True)
    context = ssl.create_default_context(cafile=values.get("cert"))
    handlers = [request.HTTPBasicAuthHandler(passwords), request.HTTPSHandler(context=context)]
    if proxy := values.get("proxy"):
        handlers.append(request.ProxyHandler({"http": proxy, "https": proxy}))
    return request.build_opener(*handlers)


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
