import errno
import os

import pytest

from seqapps.artifacts import error_log
from seqapps.config import UserError


def test_a_users_mistake_is_a_sentence_and_leaves_no_file(tmp_path):
    assert error_log.write(UserError("give a file"), tmp_path) == "give a file"
    assert not (tmp_path / "data").exists()


def test_a_defect_is_a_sentence_and_its_traceback_a_file(tmp_path):
    try:
        {}["x"]
    except KeyError as error:
        sentence = error_log.write(error, tmp_path)
    log = tmp_path / "data/error.log"
    assert sentence == f"a defect of seqapps (KeyError: 'x'); details in {log}"
    assert "test_error_log.py" in log.read_text()


def chained(error):
    try:
        try:
            raise error
        except OSError as cause:
            raise RuntimeError("HDF5 cannot write") from cause
    except RuntimeError as outer:
        return outer


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_a_sentence(tmp_path, number):
    full = OSError(number, os.strerror(number), "data/x")
    sentence = "the disk is full (data/x): free some room, then the same command goes on where"
    for error in (full, chained(full)):
        assert error_log.write(error, tmp_path).startswith(sentence)
    hidden = RuntimeError(f"UNKNOWN: data/x; {os.strerror(number)} [Op:SaveV2]")
    assert error_log.write(hidden, tmp_path).startswith("the disk is full: free some room")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_folder_that_may_not_be_written_to_is_a_sentence(tmp_path, number):
    error = OSError(number, os.strerror(number), "data/x")
    assert error_log.write(error, tmp_path).startswith("no permission to read or write (data/x): ")


def test_a_defect_is_said_even_if_its_log_cannot_be_written(tmp_path):
    (tmp_path / "data").write_text("a file in the way")
    assert error_log.write(KeyError("x"), tmp_path) == "a defect of seqapps (KeyError: 'x')"


def test_a_sentence_about_a_file_that_may_not_be_read_stays(tmp_path):
    try:
        try:
            raise PermissionError(errno.EACCES, "Permission denied", "a.csv")
        except OSError:
            raise UserError("a.csv cannot be read: Permission denied") from None
    except UserError as error:
        assert error_log.write(error, tmp_path) == "a.csv cannot be read: Permission denied"
        assert error_log.of_disk(error) is None
