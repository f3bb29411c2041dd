"""``model.export``: the file's answers are the model's, or the export is refused with the way out.

What needs a converter is slow, and skipped where it is not installed: tf2onnx on TensorFlow, onnxscript on
PyTorch, jax2onnx (which brings 30 packages along, and is in no group) on JAX, TensorFlow for a SavedModel
(`tox -e export` has it beside JAX).
"""

import importlib.util

import keras
import numpy as np
import pytest
from oracles import close, shaken

from kerasdl import layers
from kerasdl.layers.cells.base import REGISTRY
from kerasdl.layers.kernels.exports import exporting

BACKEND = keras.backend.backend()
CONVERTER = {"jax": "jax2onnx", "tensorflow": "tf2onnx", "torch": "onnxscript"}[BACKEND]
FEATURES, STEPS = 3, 6
pytestmark = pytest.mark.filterwarnings("ignore")  # converters warn of their own and of each other's ways


def model_of(name, steps, masked=False, both=False):
    """Two recurrent layers and one output, of weights that all count."""
    inputs = hidden = keras.Input((steps, FEATURES), name="x")
    if masked:
        hidden = keras.layers.Masking(0.0)(hidden)
    first = REGISTRY[name].layer(4, return_sequences=True)
    hidden = (keras.layers.Bidirectional(first) if both else first)(hidden)
    model = shaken(keras.Model(inputs, keras.layers.Dense(2)(REGISTRY[name].layer(5)(hidden))))
    model(np.zeros((1, STEPS, FEATURES), "float32"))  # Keras exports models that were called
    return model


def inputs(rows, steps=STEPS, masked=False):
    x = np.random.default_rng(rows).normal(size=(rows, steps, FEATURES)).astype("float32")
    if masked:
        x[0, steps // 2 :] = 0
    return x


def needs(*modules):
    for module in modules:
        if not importlib.util.find_spec(module):
            pytest.skip(f"needs {module}")


@pytest.mark.slow
@pytest.mark.parametrize("name", REGISTRY)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("free", [False, True])
def test_an_onnx_file_answers_as_the_model(name, masked, free, tmp_path):
    needs(CONVERTER, "onnxruntime")
    import onnxruntime

    model = model_of(name, None if free else STEPS, masked, both=not masked)
    path = str(tmp_path / "model.onnx")
    if free and BACKEND == "torch":
        with pytest.raises(
            ValueError, match="fixes the length of what a recurrent layer reads: give input_s"
        ):
            model.export(path, format="onnx", verbose=False)
        signature = [keras.InputSpec("float32", (None, STEPS, FEATURES), name="x")]
        model.export(path, format="onnx", verbose=False, input_signature=signature)
    else:
        model.export(path, format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(path)
    (given,) = session.get_inputs()
    for rows, steps in [(1, STEPS), (3, STEPS), (2, 4)]:
        if steps == STEPS or (free and BACKEND != "torch"):
            x = inputs(rows, steps, masked)
            assert close(session.run(None, {given.name: x})[0], model.predict(x, verbose=0), 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", REGISTRY)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.skipif(BACKEND == "torch", reason="Keras 3.15 writes SavedModels of a torch model by torch_xla")
def test_a_saved_model_answers_as_the_model(name, masked, tmp_path):
    needs("tensorflow")
    import tensorflow as tf

    model = model_of(name, None, masked, both=not masked)
    model.export(tmp_path / "model", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "model")
    for rows, steps in [(1, STEPS), (3, 4)]:
        x = inputs(rows, steps, masked)
        assert close(np.array(loaded.serve(x)), model.predict(x, verbose=0), 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", REGISTRY)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("free", [False, True])
@pytest.mark.skipif(
    BACKEND != "tensorflow", reason="Keras 3.15 has no TFLite for JAX, and litert_torch for PyTorch"
)
def test_a_tflite_file_of_one_row_answers_as_the_model(name, masked, free, tmp_path):
    import tensorflow as tf

    model = model_of(name, None if free else STEPS, masked, both=not masked)
    path = str(tmp_path / "model.tflite")
    # Of a free number of rows, the file asks for TensorFlow's own operations, stock Keras's as well.
    signature = [keras.InputSpec("float32", (1, None if free else STEPS, FEATURES), name="x")]
    model.export(path, format="litert", verbose=False, input_signature=signature)
    interpreter = tf.lite.Interpreter(path)
    (given,), (found,) = interpreter.get_input_details(), interpreter.get_output_details()
    for steps in (STEPS, 4) if free else (STEPS,):
        x = inputs(1, steps, masked)
        interpreter.resize_tensor_input(given["index"], x.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(given["index"], x)
        interpreter.invoke()
        assert close(interpreter.get_tensor(found["index"]), model.predict(x, verbose=0), 1e-5)


@pytest.mark.skipif(BACKEND != "torch", reason="Keras 3.15 exports to torch from torch")
@pytest.mark.parametrize("masked", [False, True])
def test_a_torch_program_answers_as_the_model(masked, tmp_path):
    import torch

    model = model_of("lstm", STEPS, masked)
    model.export(tmp_path / "model.pt2", format="torch", verbose=False)
    x = inputs(1, masked=masked)
    found = torch.export.load(tmp_path / "model.pt2").module()(torch.tensor(x))
    assert close(found.detach(), model.predict(x, verbose=0), 1e-5)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow alone compiles pieces of a graph")
def test_nothing_in_a_saved_model_is_compiled(tmp_path):
    import tensorflow as tf

    model_of("gru", STEPS).export(tmp_path / "model", verbose=False)
    graph = tf.saved_model.load(tmp_path / "model").serve.concrete_functions[0].graph.as_graph_def()
    every = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    every += graph.library.function
    assert not any(one.attr["_XlaMustCompile"].b for one in every)


@pytest.mark.skipif(BACKEND != "jax", reason="Keras 3.15 has no TFLite for JAX")
def test_a_format_that_keras_lacks_is_refused_by_keras(tmp_path):
    with pytest.raises(ValueError, match="LiteRT export requires"):
        model_of("gru", STEPS).export(str(tmp_path / "model.tflite"), format="litert")


def test_a_call_outside_an_export_takes_our_loop(monkeypatch):
    monkeypatch.setattr(keras.layers.RNN, "inner_loop", lambda *_, **__: pytest.fail("Keras's own loop ran"))
    assert not exporting()
    assert layers.GRU(2)(inputs(2)).shape == (2, 2)
