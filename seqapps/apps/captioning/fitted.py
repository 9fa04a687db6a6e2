"""Files that preprocess writes for a fold: facts and vocabulary."""

import json
from pathlib import Path
from typing import Any

FACTS, VOCABULARY = "facts.json", "vocabulary.json"


def facts(assets: Path) -> dict[str, Any]:
    """Content of `facts.json`: encoder, size of the picture, longest caption, pictures."""
    return json.loads((assets / FACTS).read_text())


def vocabulary(assets: Path) -> list[str]:
    """The words, in the order of their numbers."""
    return json.loads((assets / VOCABULARY).read_text())


def write_json(path: Path, value: Any) -> None:
    """Writes a value as JSON."""
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n")
