import contextlib
import random
from types import SimpleNamespace

import pytest
import tensorflow as tf

from seqapps.apps.captioning import export, model
from seqapps.apps.captioning.params import Evaluate
from seqapps.artifacts import saved_model
from seqapps.artifacts.json_codec import BadRequest
from tests.apps.captioning.conftest import encoded, speckled
from tests.apps.captioning.test_model import params
from tests.mutations import mutated


@pytest.fixture
def endpoints(assets):
    given = params(compare=("blind",))
    given.evaluate = Evaluate(decoding="greedy")
    built = model.build(given, assets)
    return export.endpoints(given, built, assets)


def test_pictures_of_any_size_and_kind_in_one_batch_are_answered_as_alone(endpoints):
    contents = [
        encoded(speckled(1)),
        encoded(speckled(2, (200, 31)), "JPEG"),
        encoded(speckled(3, (7, 90)).convert("P"), "GIF"),
        encoded(speckled(4).convert("RGBA")),
    ]
    function, [spec] = endpoints["beam3"]
    together = function(tf.constant(contents))
    assert spec.name == "image" and together["attention"].shape == (4, 5, 4, 6)
    for row, content in enumerate(contents):
        alone = function(tf.constant([content]))
        assert alone["caption"][0] == together["caption"][row]
        assert alone["attention"][0].numpy() == pytest.approx(
            together["attention"][row].numpy(), abs=1e-5
        )


def test_the_caption_is_its_words_and_attention_sums_to_one_at_each(endpoints):
    answer = endpoints["greedy"][0](tf.constant([encoded(speckled(n)) for n in range(6)]))
    for caption, words, maps in zip(
        answer["caption"].numpy(), answer["words"].numpy(), answer["attention"].numpy(), strict=True
    ):
        said = [word for word in words if word]
        assert caption == b" ".join(said)
        assert maps.sum(axis=(1, 2)) == pytest.approx([1.0] * len(said) + [0.0] * (5 - len(said)))
    assert (answer["log_probability"].numpy() < 0).all()


@pytest.mark.parametrize("name", ["greedy", "beam3", "compared"])
def test_a_row_that_is_no_picture_is_named_with_its_reason(endpoints, name):
    answer = saved_model.of_function(name, *endpoints[name])
    whole = encoded(speckled(1))
    for content, reason in ((b"no picture", "no image"), (encoded(speckled(1), "WEBP"), "WebP")):
        with pytest.raises(BadRequest, match=f"values: row 1: {reason}; wanted JPEG, PNG"):
            answer({"image": [whole, content, whole]})


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP"])
def test_a_picture_that_is_cut_short_fails_the_request(endpoints, kind):
    answer = saved_model.of_function("greedy", *endpoints["greedy"])
    content = encoded(speckled(1, (90, 60)), kind)
    with pytest.raises(BadRequest, match="^the model refuses these values: [A-Za-z][^{]+$"):
        answer({"image": [content[: len(content) // 2]]})


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP"])
def test_no_change_of_a_picture_is_a_defect_at_the_endpoint(endpoints, kind):
    answer = saved_model.of_function("greedy", *endpoints["greedy"])
    rng, content = random.Random(kind), encoded(speckled(1), kind)
    for _ in range(60):
        with contextlib.suppress(BadRequest):
            answer({"image": [mutated(content, rng)]})


def test_an_exported_model_has_only_the_three_endpoints_a_client_may_call(assets):
    given = params()
    given.evaluate, given.export = Evaluate(decoding="beam3"), SimpleNamespace()
    found = export.endpoints(given, model.build(given, assets), assets)
    assert list(found) == ["serving_default", "greedy", "beam3"]
    assert found["serving_default"] == found["beam3"]
