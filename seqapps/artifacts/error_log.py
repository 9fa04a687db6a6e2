"""Error messages: a sentence for the screen; the traceback of a defect goes to a file."""

import traceback
from pathlib import Path

from seqapps.artifacts import layout
from seqapps.config import UserError


def write(error: Exception, root: Path) -> str:
    """One sentence for an error; writes the traceback to `data/error.log` unless a UserError."""
    if isinstance(error, UserError):
        return str(error)
    log = root / layout.ERROR_LOG
    log.parent.mkdir(exist_ok=True)
    log.write_text("".join(traceback.format_exception(error)))
    return f"a defect of seqapps ({type(error).__name__}: {error}); details in {log}"
