"""How the ops are built, and what is said where they are not."""

import numpy as np
import pytest
import tensorflow as tf

from seqapps.kit import native


@pytest.mark.parametrize("shape", [(700, 5, 33), (1, 1, 1), (256, 16, 48), (300, 7, 64)])
def test_a_turned_product_is_that_of_matrices(shape):
    inner, rows, columns = shape
    rng = np.random.default_rng(0)
    one, other = (rng.normal(size=(inner, n)).astype(np.float32) for n in (rows, columns))
    answer = native.turned_product(tf.constant(one), tf.constant(other)).numpy()
    assert answer == pytest.approx(one.T.astype(float) @ other, abs=1e-4)


def test_without_a_compiler_the_sentence_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(native, "library", lambda: tmp_path / "lib/none.so")
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert "no C++ compiler (no-such-compiler)" in native.build()
    assert "make native" in native.missing()


def test_a_compiler_that_fails_leaves_nothing_and_gives_its_reason(monkeypatch, tmp_path):
    compiler = tmp_path / "c++"
    compiler.write_text("#!/bin/sh\necho 'recurrent.cc: error: no such thing' >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setattr(native, "library", lambda: tmp_path / "lib/recurrent-0.so")
    monkeypatch.setenv("CXX", str(compiler))
    assert native.build().endswith("recurrent.cc: error: no such thing")
    assert list((tmp_path / "lib").iterdir()) == []


def test_another_source_or_processor_is_another_library(monkeypatch):
    before = native.library()
    monkeypatch.setattr(native, "_processor", lambda: "another")
    assert native.library() != before


def test_a_library_that_does_not_load_is_named(monkeypatch, tmp_path):
    broken = tmp_path / "recurrent-0.so"
    broken.write_bytes(b"not a library")
    monkeypatch.setattr(native, "library", lambda: broken)
    native._ops.cache_clear()
    try:
        assert native.missing() == f"{broken} does not load: delete it, then make native"
    finally:
        native._ops.cache_clear()


def test_the_switch_turns_the_ops_off(monkeypatch):
    monkeypatch.setenv("SEQAPPS_NATIVE", "0")
    assert native.missing() == "SEQAPPS_NATIVE=0"
