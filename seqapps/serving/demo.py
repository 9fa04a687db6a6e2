"""The page of `make demo`: a tab per exported application, answered by the server.

`App.asks` describes an application's input; its functions `requests` and `render` are those of
`make predict`. Nothing leaves this machine: the page listens on 127.0.0.1 and loads nothing from
elsewhere.
"""

import base64
import html
import json
import mimetypes
import os
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from seqapps import app as contract
from seqapps import config
from seqapps.app import App
from seqapps.artifacts import error_log, layout
from seqapps.artifacts.json_codec import from_json
from seqapps.artifacts.layout import ProfileFolder
from seqapps.config import Params, UserError
from seqapps.serving import client, predict

ROWS_PER_REQUEST = 8
"""Few, so that a request of sounds or pictures is within the server's limits of size and time."""

TABLE_ROWS, PAGE_PIXELS = 200, 620
PICTURES, SOUNDS = (".png", ".svg", ".jpg"), (".wav", ".mp3")
QUIET = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "no_proxy": "127.0.0.1,localhost",
}
CSS = "footer {display: none !important}"


@dataclass(frozen=True)
class Desk:
    """The inputs and answers of one application, behind its tab of the page."""

    app: App[Params]
    profile: str
    root: Path
    answer: predict.Answer
    scratch: Path

    @property
    def exported(self) -> Path:
        """The export stage's folder."""
        return ProfileFolder(self.root, self.app.name, self.profile).stage("export")

    def ask(self, text: str, file: str | None) -> tuple[list[Path], str]:
        """Answers a text, or a file if there is no text; returns the files written and a note.

        The note names rows that were left out. No error is raised: the note holds its message.
        """
        folder = Path(tempfile.mkdtemp(dir=self.scratch))
        lines: list[str] = []
        paths: list[Path] = []
        written: list[Path] = []
        try:
            paths, words = self._input(text.strip(), file, folder)
            overrides = [f"predict.batch_size={ROWS_PER_REQUEST}", *words]
            params = config.load(self.app, self.profile, overrides, root=self.root)
            out = folder / "answers"
            written = predict.run(
                self.app,
                params,
                paths,
                exported=self.exported,
                out=out,
                answer=self.answer,
                say=lines.append,
            )
        except Exception as error:
            lines = [error_log.write(error, self.root)]
        note = "\n".join(lines)
        for path in paths:
            note = note.replace(str(path), path.name)
        return written, note

    def example(self) -> tuple[str, str | None]:
        """A text or a file to try: the first row of the exported example request."""
        request = json.loads((self.exported / layout.EXAMPLE_REQUEST).read_text())
        row = {name: from_json(value) for name, value in request["instances"][0].items()}
        example = self.app.example_input(row, Path(tempfile.mkdtemp(dir=self.scratch)))
        return ("", str(example)) if isinstance(example, Path) else (example, None)

    def _input(self, text: str, file: str | None, folder: Path) -> tuple[list[Path], list[str]]:
        asks = self.app.asks
        if text and self.app.instead_of_input:
            return [], [f"predict.{self.app.instead_of_input[0]}={json.dumps(text)}"]
        if text:
            path = folder / asks.pasted
            if asks.heading and not text.startswith(asks.heading[0]):
                text = f"{asks.heading}\n{text}"
            path.write_text(text + "\n", encoding="utf-8")
            return [path], []
        if file is None:
            raise UserError(f"nothing was given. {asks.invitation}")
        return [Path(file)], []


def run(root: Path, *, profile: str, port: int, serve_port: int) -> int:
    """Shows the page until it is interrupted; returns the exit code.

    Raises:
        UserError: nothing is exported, no server, or the port is taken.
    """
    folders = {n: ProfileFolder(root, n, profile).stage("export") for n in contract.names()}
    exports = {n: folder for n, folder in folders.items() if (folder / layout.RECEIPT).exists()}
    if not exports:
        raise UserError(f"nothing of the profile {profile} is exported; run make <app> first")
    with tempfile.TemporaryDirectory() as scratch:
        os.environ.update(QUIET | {"GRADIO_TEMP_DIR": f"{scratch}/page"})
        try:
            with client.running(root, exports, serve_port) as server:
                served = set(server.names())
                desks = [
                    Desk(contract.load(n), profile, root, server.model(n), Path(scratch))
                    for n in exports
                    if n in served
                ]
                if not desks:
                    raise UserError(f"the server on port {serve_port} serves none of {[*exports]}")
                show(desks, port)
        except KeyboardInterrupt:
            return 0
    return 0


def show(desks: list[Desk], port: int) -> None:
    """Serves a page with a tab per desk until it is interrupted.

    Raises:
        UserError: the port is taken.
    """
    import gradio

    with gradio.Blocks(title="seqapps", analytics_enabled=False) as page:
        for desk in desks:
            with gradio.Tab(desk.app.title, id=desk.app.name):
                _tab(gradio, desk)
    try:
        page.launch(
            server_name="127.0.0.1",
            server_port=port,
            share=False,
            quiet=True,
            ssr_mode=False,
            prevent_thread_lock=True,
            theme=_theme(gradio),
            css=CSS,
            footer_links=[],
        )
    except OSError:
        raise UserError(f"port {port} is taken; name a free one: PORT={port + 1}") from None
    print(f"demo of {', '.join(d.app.name for d in desks)} on http://127.0.0.1:{port}", flush=True)
    try:
        threading.Event().wait()
    finally:
        page.close(verbose=False)


def _theme(gradio: Any) -> Any:
    """A theme that loads no fonts from elsewhere."""
    return gradio.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"])


def _tab(gradio: Any, desk: Desk) -> None:
    with gradio.Row():
        with gradio.Column(scale=2):
            text, file = _inputs(gradio, desk.app)
            with gradio.Row():
                ask = gradio.Button("Ask the model", variant="primary")
                example = gradio.Button("Try an example")
        with gradio.Column(scale=3):
            outputs = [
                gradio.Textbox(label="Note", visible=False),
                gradio.HTML(visible=False),
                gradio.Audio(label="Sound", visible=False, buttons=["download"]),
                gradio.Dataframe(label="Table", visible=False, wrap=True, interactive=False),
                gradio.HTML(visible=False),
                gradio.Files(label="Files", visible=False, elem_classes="answers"),
            ]

    def answered(text: str, file: str | None) -> list[Any]:
        written, note = desk.ask(text or "", file)
        return [gradio.update(value=v, visible=bool(v)) for v in _shown(written, note)]

    def tried() -> tuple[str, str | None]:
        try:
            return desk.example()
        except Exception as error:
            message = error_log.write(error, desk.root)
            raise gradio.Error(message, print_exception=False) from None

    file.upload(lambda: "", None, text, api_visibility="private")
    ask.click(answered, [text, file], outputs, api_name=f"{desk.app.name}")
    filled = example.click(tried, None, [text, file], api_visibility="private")
    filled.success(answered, [text, file], outputs, api_visibility="private")


def _inputs(gradio: Any, app: App[Params]) -> tuple[Any, Any]:
    asks = app.asks
    gradio.Markdown(asks.invitation)
    typed = bool(asks.pasted or app.instead_of_input)
    text = gradio.Textbox(label="Text", lines=6, visible=typed)
    kinds: dict[str, Callable[..., Any]] = {
        "file": lambda: gradio.File(label="File", file_types=list(asks.endings), height=140),
        "picture": lambda: gradio.Image(
            label="Picture", type="filepath", image_mode=None, sources=["upload", "clipboard"]
        ),
        "sound": lambda: gradio.Audio(label="Sound", type="filepath", buttons=["download"]),
    }
    return text, kinds[asks.shown_as]()


def _shown(written: list[Path], note: str) -> list[Any]:
    """Values of the outputs in their order: note, pictures, sound, table, page, files."""

    def having(*endings: str) -> list[str]:
        return [str(path) for path in written if path.suffix in endings]

    sounds, pages, tables = having(*SOUNDS), having(".html"), having(".csv", ".tsv")
    return [
        note,
        "".join(map(_picture, having(*PICTURES))),
        sounds[0] if sounds else None,
        _table(tables[0]) if tables else None,
        _framed(Path(pages[0])) if pages else None,
        list(map(str, written)),
    ]


def _table(path: str) -> dict[str, Any]:
    rows = pd.read_csv(
        path, sep="\t" if path.endswith(".tsv") else ",", nrows=TABLE_ROWS, dtype=str
    )
    return {"headers": list(rows.columns), "data": rows.fillna("").to_numpy().tolist()}


def _picture(path: str) -> str:
    kind, _ = mimetypes.guess_type(path)
    content = base64.b64encode(Path(path).read_bytes()).decode()
    name = html.escape(Path(path).name, quote=True)
    return f'<img style="max-width:100%" alt="{name}" src="data:{kind};base64,{content}">'


def _framed(page: Path) -> str:
    text = html.escape(page.read_text(encoding="utf-8"), quote=True)
    style = f"width:100%;height:{PAGE_PIXELS}px;border:0;background:white"
    return f'<iframe sandbox style="{style}" srcdoc="{text}"></iframe>'
