"""Files that decide what a later command does: written beside, forced to the disk, renamed.

A reader sees the old file or the new one, never half of one, also after a loss of power.
"""

import json
import os
from pathlib import Path
from typing import Any


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file as a whole."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    rename(temporary, path)


def write_json(path: Path, value: Any) -> None:
    """Writes a value as indented JSON."""
    write_bytes(path, (json.dumps(value, indent=2) + "\n").encode())


def read_json(path: Path) -> Any:
    """The value in a JSON file; None if there is no such file, or it holds no JSON."""
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def rename(old: Path, new: Path) -> None:
    """Renames a file or folder, replacing a file, and forces both folders' entries to the disk."""
    os.replace(old, new)
    for folder in {old.parent, new.parent}:
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
