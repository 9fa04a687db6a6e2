"""Names that others rely on: users, servers, scripts. A change here breaks them."""

import ast

import pytest

from seqapps.artifacts import layout
from seqapps.artifacts.layout import ProfileFolder


def test_folders_and_files_lie_where_others_look_for_them(tmp_path):
    folder = ProfileFolder(tmp_path, "dna", "full")
    assert folder.stage("train") == tmp_path / "data/dna/full/train"
    assert folder.metrics == tmp_path / "data/dna/full/evaluate/metrics.json"
    assert folder.sweep("train.cell") == tmp_path / "data/dna/full/sweep/train.cell"
    assert layout.database(tmp_path) == tmp_path / "mlruns/mlflow.db"
    assert layout.RECEIPT == "done.json"
    names = (layout.EXAMPLE_REQUEST, layout.EXAMPLE_RESPONSE, layout.WEIGHTS, layout.HISTORY)
    assert names == (
        "example_request.json", "example_response.json", "model.weights.h5", "history.csv",
    )  # fmt: skip


def version(exported, number):
    folder = layout.version(exported, number)
    folder.mkdir(parents=True)
    (folder / layout.GRAPH).write_bytes(b"")
    return folder


def test_versions_are_numbers_with_a_graph(tmp_path):
    for number in (10, 9):
        version(tmp_path, number)
    (tmp_path / "model/11").mkdir()
    (tmp_path / "model/notes").mkdir()
    assert layout.versions(tmp_path) == [9, 10]


def test_the_champion_answers_and_without_one_the_highest(tmp_path):
    with pytest.raises(FileNotFoundError, match="run make <app> first"):
        layout.answering(tmp_path)
    version(tmp_path, 1)
    version(tmp_path, 2)
    assert layout.answering(tmp_path).name == "2"
    (tmp_path / layout.CHAMPION).write_text('{"version": 1}')
    assert layout.answering(tmp_path).name == "1"


def test_a_file_of_a_version_is_its_own_before_that_beside_model(tmp_path):
    folder = version(tmp_path, 1)
    assert layout.beside(folder, "x.json") == tmp_path / "x.json"
    (folder / layout.EXTRA).mkdir()
    (folder / layout.EXTRA / "x.json").write_text("")
    assert layout.beside(folder, "x.json") == folder / layout.EXTRA / "x.json"


NAMES = {
    str(name)
    for key, value in vars(layout).items()
    if key.isupper() and key != "README"
    for name in (value if isinstance(value, tuple) else (value,))
}


def written_again(code: str) -> list[str]:
    """File names of the layout in a module's strings, and its folders behind a slash."""
    nodes = list(ast.walk(ast.parse(code)))
    texts = [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    joined = [n.right for n in nodes if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Div)]
    folders = [n.value for n in joined if isinstance(n, ast.Constant)]
    return [name for name in NAMES if name in ([*texts, *folders] if "." in name else folders)]


def test_only_layout_writes_the_names_of_files_and_folders(repository):
    for path in (repository / "seqapps").rglob("*.py"):
        if path.name != "layout.py":
            assert not written_again(path.read_text()), path


@pytest.mark.parametrize("code", ["open('metrics.json')", "root / 'data' / app", "out / 'figures'"])
def test_a_name_that_is_written_again_is_noticed(code):
    assert written_again(code)
