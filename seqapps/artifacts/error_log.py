"""Error messages: a sentence for the screen; the traceback of a defect goes to a file."""

import errno
import os
import traceback
from pathlib import Path

from seqapps.artifacts import layout
from seqapps.config import UserError

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
NOT_WRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM)


def write(error: Exception, root: Path) -> str:
    """One sentence for an error; the traceback of a defect goes to `data/error.log`."""
    if isinstance(error, UserError):
        return str(error)
    if sentence := of_disk(error):
        return sentence
    log = root / layout.ERROR_LOG
    what = f"a defect of seqapps ({type(error).__name__}: {error})"
    try:
        log.parent.mkdir(exist_ok=True)
        log.write_text("".join(traceback.format_exception(error)))
    except OSError:
        return what
    return f"{what}; details in {log}"


def of_disk(error: BaseException) -> str | None:
    """The sentence about a disk that is full or may not be written to; None for another error.

    TensorFlow and HDF5 hide the operating system's error in their own, so its words are looked for
    in the messages of an error and of its causes.
    """
    messages, numbers, names = "", set(), []
    cause: BaseException | None = error
    while cause is not None:
        messages += f" {cause}"
        if isinstance(cause, OSError):
            numbers.add(cause.errno)
            names += [str(cause.filename)] if cause.filename else []
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    at = f" ({names[0]})" if names else ""
    goes_on = "then the same command goes on where it stopped"
    if any(number in numbers or os.strerror(number) in messages for number in NO_ROOM):
        return f"the disk is full{at}: free some room, {goes_on}"
    if any(number in numbers for number in NOT_WRITABLE) or (os.strerror(errno.EROFS) in messages):
        return f"no permission to read or write{at}: allow it, {goes_on}"
    return None
