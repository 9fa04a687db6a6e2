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
