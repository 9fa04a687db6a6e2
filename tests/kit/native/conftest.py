"""Fixtures of the recurrent ops."""

import shutil

import pytest

from seqapps.kit import native


@pytest.fixture(scope="session", autouse=True)
def library():
    if not shutil.which("c++"):
        pytest.skip("no C++ compiler")
    native.build()
    assert native.library().exists()
