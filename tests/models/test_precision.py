"""Writing under every dtype policy: each token written is one that the model itself finds likeliest.

The model is taught what it wrote; up to rounding, no other token may then score higher. It is saved under one
policy and loaded under another, as a model that was trained elsewhere is.
"""

import keras
import numpy as np
import pytest
from oracles import to_numpy

import kerasdl
from kerasdl import models
from kerasdl.layers.cells.base import REGISTRY
from kerasdl.text import Vocabulary

LETTERS = Vocabulary("abcde ")
MARKED = Vocabulary("abc", reserved=["padding", "begin", "end"])
ROUNDING = {"float32": 1e-5, "float64": 1e-5, "float16": 0.01, "mixed_float16": 0.01}  # bfloat16: 0.06
POLICIES = ["mixed_float16", "mixed_bfloat16", "float64", "bfloat16", "float16"]
EVERY = [(cell, policy) for cell in REGISTRY for policy in POLICIES]


def cases(*quick):
    """Every cell under every policy; what is not named is slow."""
    return [case if case in quick else pytest.param(*case, marks=pytest.mark.slow) for case in EVERY]


@pytest.fixture
def policy_of_the_day():
    """Set dtype policies as the global ones; the test's end puts them back."""
    before, jax = keras.config.dtype_policy(), None

    def use(policy):
        nonlocal jax
        if policy == "float64" and keras.backend.backend() == "jax":
            import jax

            jax.config.update("jax_enable_x64", True)
        keras.config.set_dtype_policy(policy)

    yield use
    keras.config.set_dtype_policy(before)
    if jax is not None:
        jax.config.update("jax_enable_x64", False)


def saved_and_loaded(make, policy, use, folder):
    """A model of large random weights, made under the policy and loaded under another.

    What states go through keeps its size: three times it, a plain RNN blows roundings up without end.
    """
    use(policy)
    kerasdl.set_seed(0)
    model = make()
    for weight in model.weights:
        if weight.name != "recurrent_kernel":
            weight.assign(3 * to_numpy(keras.ops.cast(weight, "float32")))
    model.save(folder / "model.keras")
    use("float32" if policy.startswith("mixed") else "mixed_float16")
    loaded = keras.saving.load_model(folder / "model.keras")
    assert loaded.layers[-1].dtype_policy.name == policy
    return loaded


def scores_of(model, *inputs):
    logits = model(list(map(keras.ops.convert_to_tensor, inputs)) if inputs[1:] else inputs[0])
    return to_numpy(keras.ops.cast(logits, "float64" if "float64" in str(logits.dtype) else "float32"))


def check_likeliest(scores, chosen, policy):
    behind = scores.max(axis=-1) - scores[np.arange(len(chosen)), chosen]
    assert behind.max() <= ROUNDING.get(policy, 0.06) * np.abs(scores[np.isfinite(scores)]).max()


@pytest.mark.parametrize(
    ("cell", "policy"), cases(("gru", "mixed_float16"), ("mgu", "float64"), ("peephole", "bfloat16"))
)
def test_generate(cell, policy, policy_of_the_day, tmp_path):
    model = saved_and_loaded(
        lambda: models.language_model(LETTERS, cell, units=8), policy, policy_of_the_day, tmp_path
    )
    tokens = LETTERS.encode(models.generate(model, "bad cab", 12))
    assert len(tokens) == 19
    check_likeliest(scores_of(model, tokens[None, :-1])[0, 6:], tokens[7:], policy)


@pytest.mark.parametrize(("cell", "policy"), cases(("gru", "mixed_float16"), ("mgu", "float64")))
def test_translate(cell, policy, policy_of_the_day, tmp_path):
    attention = cell in ("gru", "lstm")
    model = saved_and_loaded(
        lambda: models.encoder_decoder(
            MARKED, MARKED, cell, units=8, attention=attention, embedding=5 if attention else None
        ),
        policy,
        policy_of_the_day,
        tmp_path,
    )
    questions = ["abca", "", "ccab"]
    read = MARKED.encode_all(questions)
    shorter = models.translate(model, questions, length=4)
    answers = models.translate(model, questions, length=5)  # on TensorFlow the length is open from here on
    assert [answer[:4] for answer in answers] == shorter
    told, wanted = MARKED.encode_all(answers, begin=True), MARKED.encode_all(answers, end=True)
    scores = scores_of(model, read, told)
    scores[..., [MARKED.padding, MARKED.begin]] = -np.inf
    judged = (wanted != MARKED.padding) & (np.arange(wanted.shape[1]) < 5)
    check_likeliest(scores[judged], wanted[judged], policy)
