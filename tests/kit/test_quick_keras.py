import subprocess
import sys

CODE = """
import sys
from seqapps.kit import quick_keras
quick_keras.install()
import keras
assert "sklearn" not in sys.modules
keras.layers.Dense(1)
import sklearn
assert sklearn.__version__
assert not any(isinstance(finder, quick_keras.QuickKeras) for finder in sys.meta_path)
"""


def test_keras_comes_without_scikit_learn_which_can_still_be_imported(repository):
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, cwd=repository
    )
    assert done.returncode == 0, done.stderr
