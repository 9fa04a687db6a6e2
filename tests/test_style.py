"""House rules on names and docstrings, see `style`."""

import pytest

from tests import style


@pytest.fixture(scope="module")
def sources(repository):
    return style.files(repository / "seqapps")


def listed(rule, sources):
    return [entry for path in sources for entry in rule(path)]


def test_a_docstring_begins_with_a_term_or_a_verb_and_asks_no_question(sources):
    assert listed(style.riddles, sources) == []


def test_no_variable_has_a_name_that_says_nothing(sources):
    assert listed(style.vague_names, sources) == []


def test_two_arguments_of_one_type_among_three_are_named_in_the_call(sources):
    assert listed(style.mixable, sources) == []


def test_docstrings_of_functions_with_arrays_give_shapes(sources):
    shares = [style.without_shapes(path) for path in sources]
    missing = [place for places, _ in shares for place in places]
    assert len(missing) <= 0.2 * sum(count for _, count in shares), missing


def test_the_rules_find_what_they_look_for(tmp_path):
    path = tmp_path / "bad.py"
    path.write_text(
        '"""What it does."""\n'
        "import numpy as np\n"
        "def f(a: int, b: int, c: np.ndarray) -> np.ndarray:\n"
        '    """An array."""\n'
        "    found = c\n"
        "    return found\n"
        "def g(a: int, *, b: np.ndarray) -> np.ndarray:\n"
        '    """An array (N, 2)."""\n'
        "    return b\n"
    )
    assert len(style.riddles(path)) == len(style.vague_names(path)) == len(style.mixable(path)) == 1
    missing, count = style.without_shapes(path)
    assert len(missing) == 1 and count == 2
