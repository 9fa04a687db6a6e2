"""Files that preprocess leaves for a fold."""

from seqapps.apps.captioning import fitted


def test_words_of_any_script_come_back_as_they_were_written(tmp_path):
    words = ["<pad>", "señal", "赤", 'a "quoted" word']
    fitted.write_json(tmp_path / fitted.VOCABULARY, words)
    assert fitted.vocabulary(tmp_path) == words
    assert "señal" in (tmp_path / fitted.VOCABULARY).read_text()


def test_facts_are_those_of_the_fold(assets):
    assert fitted.facts(assets)["max_words"] == 5
    assert fitted.vocabulary(assets)[4:] == ["red", "a", "white", "cross", "with"]
