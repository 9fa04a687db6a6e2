"""House rules that no linter knows, measured on source files: `python -m tests.style seqapps`."""

import ast
import re
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

RIDDLES = ("what", "whether", "where", "how", "which", "who")
"""First words of a docstring that asks instead of saying what is returned or done."""

VAGUE = {"found", "said", "made", "own", "given", "seen", "heard", "told", "place"}
"""Names of variables that say nothing of their content."""

ARRAYS = ("ndarray", "Tensor", "Columns", "Endpoints", "NDArray")
"""Types in an annotation whose docstring gives a shape; `call` of a Keras layer is one too."""

AXIS = r"(?:[A-Z0-9]\w*|\.\.\.)(?: [-+*/]+ \w+)*"
SHAPE = re.compile(rf"[(\[]{AXIS}(?:, ?[^()\[\]]*)?[)\]]|[(\[][a-z_]+,[)\]]|\bscalars?\b")
"""A shape in axis letters, such as (B, T, 2 * U), (rows,) or [N]; or the word scalar."""

CONTRACT = {"ingest", "index", "assets", "example", "feed", "build", "endpoints", "score"}
CONTRACT |= {"requests", "render", "samples", "headline_score"}
"""Functions whose arguments `App` fixes."""


@dataclass(frozen=True)
class Function:
    """A function or method, its file and whether it is public."""

    path: Path
    node: ast.FunctionDef | ast.AsyncFunctionDef
    public: bool

    @property
    def place(self) -> str:
        return f"{self.path}:{self.node.lineno} {self.node.name}"

    @property
    def docstring(self) -> str:
        return ast.get_docstring(self.node) or ""

    @property
    def lines(self) -> int:
        """Lines of code without the docstring."""
        total = (self.node.end_lineno or 0) - self.node.lineno + 1
        first = self.node.body[0]
        if self.docstring:
            total -= (first.end_lineno or 0) - first.lineno + 1
        return total

    @property
    def takes_or_gives_arrays(self) -> bool:
        arguments = self.node.args
        annotations = [a.annotation for a in (*arguments.posonlyargs, *arguments.args)]
        annotations += [a.annotation for a in arguments.kwonlyargs] + [self.node.returns]
        texts = [ast.unparse(one) for one in annotations if one]
        bare = [one for one in self.positional if one.annotation is None and one.arg != "training"]
        if bare and "import tensorflow" in self.path.read_text():
            return True
        return self.node.name == "call" or any(word in text for text in texts for word in ARRAYS)

    @property
    def positional(self) -> list[ast.arg]:
        named = [*self.node.args.posonlyargs, *self.node.args.args]
        return [one for one in named if one.arg not in ("self", "cls")]

    @property
    def may_be_mixed_up(self) -> bool:
        """More than two positional arguments, two of them of one type."""
        types = [ast.unparse(one.annotation) for one in self.positional if one.annotation]
        types = [name for name in types if name != "Any"]
        return len(self.positional) > 2 and len(set(types)) < len(types)


def files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*.py") if "__pycache__" not in path.parts)


def functions(path: Path) -> Iterator[Function]:
    def walk(node: ast.AST, public: bool, inside: bool) -> Iterator[Function]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                shown = public and not inside and not child.name.startswith("_")
                yield Function(path, child, shown)
                yield from walk(child, public, True)
            elif isinstance(child, ast.ClassDef):
                yield from walk(child, public and not child.name.startswith("_"), inside)
            else:
                yield from walk(child, public, inside)

    yield from walk(ast.parse(path.read_text()), True, False)


def docstrings(path: Path) -> Iterator[tuple[str, str]]:
    """(place, text) of every docstring of a module, class or function."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield f"{path}:{getattr(node, 'lineno', 1)}", text


def riddles(path: Path) -> list[str]:
    return [
        f"{place} {text.splitlines()[0]}"
        for place, text in docstrings(path)
        if text.split()[0].lower().strip(",:'\"") in RIDDLES
    ]


def vague_names(path: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.arg) and node.arg in VAGUE:
            names.append(f"{path}:{node.lineno} {node.arg}")
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in VAGUE:
            names.append(f"{path}:{node.lineno} {node.id}")
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            if node.attr in VAGUE:
                names.append(f"{path}:{node.lineno} {node.attr}")
    return names


def without_shapes(path: Path) -> tuple[list[str], int]:
    """Public functions with arrays whose docstring has no shape, and the number of all of them."""
    known = [one for one in functions(path) if one.public and one.takes_or_gives_arrays]
    return [one.place for one in known if not SHAPE.search(one.docstring)], len(known)


def mixable(path: Path) -> list[str]:
    return [
        one.place
        for one in functions(path)
        if one.may_be_mixed_up and one.node.name not in CONTRACT | {"call", "compute_loss"}
    ]


def main(roots: list[str]) -> None:
    for root in map(Path, roots):
        paths = files(root)
        every = [one for path in paths for one in functions(path)]
        lengths = sorted(one.lines for one in every)
        shapes = [without_shapes(path) for path in paths]
        arrays = sum(count for _, count in shapes)
        missing = [place for places, _ in shapes for place in places]
        positional = [one for one in every if len(one.positional) > 2]
        for kind, places in (
            ("riddle", [place for path in paths for place in riddles(path)]),
            ("vague name", [place for path in paths for place in vague_names(path)]),
            ("no shape", missing),
            ("mixable", [place for path in paths for place in mixable(path)]),
        ):
            if "-q" not in sys.argv:
                print(*(f"{kind}: {place}" for place in places), sep="\n")
            print(f"{root}: {len(places)} x {kind}")
        total = sum(len(path.read_text().splitlines()) for path in paths)
        median, p90 = statistics.median(lengths), lengths[int(0.9 * len(lengths))]
        share = 1 - len(missing) / max(arrays, 1)
        print(f"{root}: {len(paths)} files, {total} lines, {len(every)} functions")
        print(f"{root}: lines per function: median {median:.0f}, p90 {p90}, max {lengths[-1]}")
        print(f"{root}: shapes in {share:.0%} of {arrays} public docstrings with arrays")
        print(f"{root}: {len(positional)} functions take over two positional arguments")


if __name__ == "__main__":
    main([word for word in sys.argv[1:] if word != "-q"])
