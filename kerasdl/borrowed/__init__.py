"""What do we use of others that they do not promise? Private names, and faults that we work round.

:data:`ENTRIES` lists each, with the reason, the versions it was met in and the upstream issue. The functions
beside it are the one place where most are used. Each entry has a test of its name in tests/borrowed
that fails on the day it is no longer needed. No other library is imported before a function needs it.
"""

from typing import NamedTuple

from kerasdl.borrowed.of_keras import (
    HOW_MADE,
    build,
    compile_arguments,
    epochs_as_asked,
    every_layer,
    loss_from_record,
    loss_record,
    mask_of,
    new_optimizer,
    one_by_one,
    optimized,
    optimizer_settings,
    producer,
    rowwise_metric,
    stock_draws,
    torch_random,
)
from kerasdl.borrowed.of_matplotlib import formulas_read_once, ticks_found_once
from kerasdl.borrowed.of_sklearn import cloned, copy_request, safe_indexing

__all__ = [
    "ENTRIES",
    "HOW_MADE",
    "UNREPORTED",
    "Entry",
    "build",
    "cloned",
    "compile_arguments",
    "copy_request",
    "epochs_as_asked",
    "every_layer",
    "formulas_read_once",
    "loss_from_record",
    "loss_record",
    "mask_of",
    "new_optimizer",
    "one_by_one",
    "optimized",
    "optimizer_settings",
    "producer",
    "rowwise_metric",
    "safe_indexing",
    "stock_draws",
    "ticks_found_once",
    "torch_random",
]

UNREPORTED = "not reported upstream, as far as searched"


class Entry(NamedTuple):
    """One thing that is borrowed.

    Attributes:
        what: the private name, or the fault.
        why: what it is needed for, or what is done instead.
        versions: those it was met in.
        upstream: the address of the issue or change, else :data:`UNREPORTED`.
    """

    what: str
    why: str
    versions: str
    upstream: str = UNREPORTED


ENTRIES = {
    # Keras: private names.
    "every_layer": Entry(
        "keras.Model._flatten_layers",
        "the public model.layers stops at nested models and wrappers",
        "keras 3.15",
    ),
    "epochs_as_asked": Entry(
        "keras.Model._initial_epoch",
        "where BackupAndRestore went on once, every later fit of that model begins, or ends at once: we take "
        "it back",
        "keras 3.15",
    ),
    "optimized": Entry(
        "keras.optimizers.Optimizer._trainable_variables",
        "its slots are of the weights that it was built for, which a model frozen since then lists no more",
        "keras 3.15",
    ),
    "compile_arguments": Entry(
        "keras.Model._compile_config",
        "a copy of a model is compiled with the same functions and losses; the public get_compile_config "
        "writes them down, and not all can be read back",
        "keras 3.15",
    ),
    "own_rate": Entry(
        "keras.optimizers.Optimizer._learning_rate",
        "an optimizer with another's settings takes its schedule or function as it is; the public "
        "learning_rate is the present number, and the config of a schedule of one's own can't be read back",
        "keras 3.15",
    ),
    "rowwise_metric": Entry(
        "keras.metrics.MeanMetricWrapper._fn and _fn_kwargs",
        "a metric that many models share needs each row's number; in public a metric gives its mean alone",
        "keras 3.15",
    ),
    "mask_of": Entry(
        "tensor._keras_mask",
        "a training step of our own weighs the steps that count; layers are handed masks, steps are not",
        "keras 3.15",
    ),
    "inner_loop": Entry(
        "keras.layers.RNN.inner_loop",
        "our recurrent layers run their own loop over time there and keep the rest of the layer; it has no "
        "underscore, and no documentation",
        "keras 3.15",
    ),
    "dropout_cell": Entry(
        "get_dropout_mask and dropout_mask_count of Keras's recurrent cells",
        "our loop drops what Keras's loop would drop; the mixin that has them is not exported",
        "keras 3.15",
    ),
    "seed_state": Entry(
        "keras.random.SeedGenerator.state and next",
        "Keras's trainers carry this variable on every backend: Dropout keeps its key and its step in it",
        "keras 3.15",
    ),
    "producer": Entry(
        "tensor._keras_history and operation._inbound_nodes",
        "whether a model's outputs are logits is read off the operations that made them; operation.input "
        "does not say which of its calls it tells of",
        "keras 3.15",
    ),
    "HOW_MADE": Entry(
        "keras.layers.Layer._auto_config, _path and _parent_path",
        "layers that compute the same differ in them: the first is there where all arguments are plain, the "
        "others say in what the layer was built; so they are left out where layers are compared attribute by "
        "attribute",
        "keras 3.15",
    ),
    "stock_draws": Entry(
        "what Keras's own layers draw from: Python's random, the attribute global_seed_generator of "
        "keras.src.backend.common.global_state, PyTorch's generator",
        "an estimator's random_state fixes them for a fit and then puts them back; "
        "keras.utils.set_random_seed sets them for good",
        "keras 3.15",
    ),
    "train_function": Entry(
        "keras.Model.train_function = None",
        "a training step that replaces another must be compiled anew; compile would do it and drop the rest",
        "keras 3.15",
    ),
    "symbolic_build": Entry(
        "keras.Model._symbolic_build and _maybe_symbolic_build",
        "under a MirroredStrategy Keras learns the shapes from the mean of all devices' parts, and so fails "
        "on an odd batch: we hand it the first device's part",
        "keras 3.15, TensorFlow backend",
    ),
    "first_variables": Entry(
        "keras.Model._symbolic_build",
        "a training step that runs in a program needs every variable of layers and metrics before; in "
        "public, only fit makes them all",
        "keras 3.15",
    ),
    "one_by_one": Entry(
        "_backend_update_step and _apply_weight_decay of Keras's optimizers",
        "on PyTorch they move all variables at once and read a rate as a number, which a recorded step must "
        "not: Keras's own of every other backend moves them one by one",
        "keras 3.15, PyTorch backend",
    ),
    "torch_random": Entry(
        "dropout of keras.src.backend.torch.random",
        "it reads its seed as a number, which no recorded step may: an operation of ours draws the same",
        "keras 3.15, PyTorch backend",
    ),
    "summed_gradients": Entry(
        "_all_reduce_sum_gradients of Keras's TensorFlow optimizers",
        "it adds the devices' gradients after each was clipped by itself, and weighs their rows unequally; "
        "our step adds them before, and Keras 3 has no argument that says so",
        "keras 3.15, TensorFlow backend",
        "https://github.com/keras-team/keras/issues/19308",
    ),
    "exporting": Entry(
        "the name keras.src.export, of the modules that model.export runs in",
        "an exported model takes Keras's own loop over time, since files know Keras's operations and not our "
        "kernels; no layer is told in public that it is called for an export, so we look at its callers",
        "keras 3.15",
    ),
    # Keras: faults.
    "loss_settings": Entry(
        "Huber's delta and the axis of CosineSimilarity and SparseCategoricalCrossentropy get lost",
        "they are missing from get_config, and with it from copies, pickles and saved models: we keep a "
        "loss's own attributes instead",
        "keras 3.15, mended after 3.15.1",
        "https://github.com/keras-team/keras/pull/23286",
    ),
    "stateful": Entry(
        "stateful=True keeps no state in training",
        "on JAX the state stays at zero, on PyTorch the gradient fails: kerasdl.layers.Carried carries it",
        "keras 3.15, JAX and PyTorch backends",
        "https://github.com/keras-team/keras/issues/20875",
    ),
    "cast_assign": Entry(
        "under mixed precision a layer that assigns to a variable of its own assigns to a copy",
        "Carried's states ask for autocast=False, or they would never move",
        "keras 3.15, PyTorch backend",
    ),
    "lost_weights": Entry(
        "a prediction that fails takes the model's weights with it",
        "translate refuses what its model could not read before it predicts",
        "keras 3.15, JAX backend",
    ),
    "metric_masks": Entry(
        "metrics ignore the mask in training on JAX",
        "the mask does not outlive the function that is differentiated: the builders' docstrings say what "
        "to do instead",
        "keras 3.15, JAX backend",
    ),
    "bidirectional_zeros": Entry(
        "Bidirectional sets zero_output_for_mask on its layers, whatever they were given",
        "our loop writes zeros at masked steps, as Keras's does",
        "keras 3.15",
        "https://github.com/tensorflow/tensorflow/issues/49738",
    ),
    "traced_length": Entry(
        "Keras's loop over time asks for the maximum of its length, one number, while PyTorch traces it",
        "no runtime reads the ONNX file of a Bidirectional that is made of it: without a mask, ours take "
        "the unrolled loop, of the same steps, which asks for no length",
        "keras 3.15, PyTorch backend",
    ),
    "odd_batches": Entry(
        "a batch with fewer rows than devices, or an odd one, is refused by DataParallel",
        "devices.jax hands Keras whole batches, which the compiled program shares out",
        "keras 3.15, JAX backend",
        "https://github.com/keras-team/keras/issues/21167",
    ),
    "download": Entry(
        "keras.utils.get_file writes under the final name and without a hash trusts what lies there",
        "a killed download would pass for a whole one: data sets are fetched by "
        "sklearn.datasets.fetch_file, with a hash",
        "keras 3.15",
    ),
    "array_copy": Entry(
        "__array__ of Keras's variables lacks NumPy 2's copy argument",
        "reading weights sets off a DeprecationWarning, which the tests let pass",
        "keras 3.15 with NumPy 2, JAX and PyTorch backends",
        "https://github.com/keras-team/keras/pull/21288",
    ),
    # TensorFlow.
    "optimizer_names": Entry(
        "TensorFlow keeps the names of variables for good",
        "each optimizer with a new name leaves 70 kB behind before it takes a step: ours share one name",
        "tensorflow 2.21, keras 3.15",
    ),
    "kept_feeds": Entry(
        "TensorFlow keeps every PyDataset that a model was trained on",
        "the data would stay with it: ours let go of their arrays when the training ends",
        "tensorflow 2.21, mended after it",
        "https://github.com/tensorflow/tensorflow/pull/123530",
    ),
    "second_trace": Entry(
        "an optimizer that is not built makes TensorFlow trace the training step twice",
        "its variables appear in the first trace: we build it before",
        "tensorflow 2.21, keras 3.15",
    ),
    # PyTorch.
    "fused_lstm": Entry(
        "torch._VF.lstm, gru, rnn_tanh and rnn_relu",
        "torch's fused cells, which our layers run on Keras's weights; the public torch.nn.LSTM and its like "
        "run them on parameters of their own alone",
        "torch 2.13",
    ),
    "function_transforms": Entry(
        "torch._C._are_functorch_transforms_active",
        "under torch.func our recurrent layers leave the loop to Keras, whose operations it follows; torch "
        "asks for no such question in public",
        "torch 2.13",
    ),
    # scikit-learn.
    "safe_indexing": Entry(
        "sklearn.utils._safe_indexing",
        "no public function takes rows of whatever scikit-learn's estimators take",
        "scikit-learn 1.9",
        "https://github.com/scikit-learn/scikit-learn/issues/27439",
    ),
    "metadata_request": Entry(
        "estimator._metadata_request",
        "a __sklearn_clone__ of one's own loses what set_fit_request asked for",
        "scikit-learn 1.9",
        "https://github.com/scikit-learn/scikit-learn/issues/20585",
    ),
    "download_timeout": Entry(
        "sklearn.datasets.fetch_file has no timeout",
        "a silent server would hold it for ever: the default timeout of sockets is set around it",
        "scikit-learn 1.9",
    ),
    # matplotlib.
    "ticks_found_once": Entry(
        "matplotlib.axis.Axis._update_ticks and _get_ticklabel_bboxes",
        "a layout finds an axis's ticks up to eight times where nothing moved: a fifth of a figure's time",
        "matplotlib 3.11",
    ),
    "formulas_read_once": Entry(
        "matplotlib.mathtext.MathTextParser._parse_cached and _output_type",
        "each figure reads the powers of ten along its axes anew: a sixth of its time",
        "matplotlib 3.11",
    ),
    # joblib.
    "joblib_backends": Entry(
        "joblib.parallel.get_active_backend and the attributes of its backends; joblib.externals.loky",
        "joblib alone knows which engine a surrounding parallel_config asks for, but has no way to ask for "
        "results as they finish from workers that choose their backend first",
        "joblib 1.6",
    ),
}
