"""Stacked autoencoders."""

import numpy as np

from seqapps.apps.finance import autoencoder


def test_an_autoencoder_as_wide_as_its_input_lies_keeps_what_it_is_given():
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(400, 2))
    features = hidden @ rng.normal(size=(2, 6))
    found = autoencoder.fit(features, layers=1, units=4, steps=800, seed=1)
    code = 1 / (1 + np.exp(-(features @ found["w0"] + found["b0"])))
    design = np.column_stack([code, np.ones(400)])
    back = design @ np.linalg.lstsq(design, features, rcond=None)[0]
    assert np.var(features - back) < 0.05 * np.var(features)


def test_autoencoders_stack_to_the_depth_and_width_asked_for():
    features = np.random.default_rng(0).normal(size=(50, 7))
    found = autoencoder.fit(features, layers=3, units=5, steps=5, seed=1)
    shapes = [found[f"w{layer}"].shape for layer in range(3)]
    assert shapes == [(7, 5), (5, 5), (5, 5)]
    assert found["mean"].shape == (5,)
