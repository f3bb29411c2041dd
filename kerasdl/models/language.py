"""Which network predicts the next token, and how does it write?

A vocabulary and sizes go in; out comes a Keras model that is trained on windows of a text, and
:func:`generate` writes with it.
"""

import weakref
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasdl import borrowed, checks, random
from kerasdl.initializers import GlorotUniform
from kerasdl.layers import Carried, Tokens
from kerasdl.models.recurrent import recurrent_layer
from kerasdl.text import Vocabulary

CHUNK = 256  # steps that the compiled program takes at most in one call: one program for any length
FREE = -1  # in place of a token where none is prescribed
LOST = -2  # in place of a token where a score is not a number


def language_model(
    vocabulary: Vocabulary | int,
    cell: str = "lstm",
    units: int = 256,
    layers: int = 2,
    batch_size: int | None = None,
) -> keras.Model:
    """Return a network from tokens ``(batch, time)`` to logits of the next, ``(batch, time, vocabulary)``.

    Tokens enter one-hot, pass the recurrent layers and one affine layer. Train it with
    ``SparseCategoricalCrossentropy(from_logits=True)`` on the windows of :mod:`kerasdl.text`; the loss's
    :func:`kerasdl.text.perplexity` is what language models are judged by. :func:`generate` lets it write.

    Args:
        vocabulary: what the tokens mean; it is saved with the model. For training its length is enough.
        cell: ``"rnn"``, ``"gru"``, ``"lstm"``, ``"peephole"`` or ``"mgu"``.
        units: width of each layer, the size of its state.
        layers: recurrent layers, at least 1.
        batch_size: None: every window starts from a state of zeros. A number fixes how many rows a batch has,
            and each row goes on from the state it had at the end of the batch before. Feed it
            :func:`kerasdl.text.sequential_windows` unshuffled, with a :class:`kerasdl.training.ResetState`.

    Raises:
        TypeError: a vocabulary that is neither that nor a whole number.
        ValueError: a size below 1, an unknown cell; in use, sequences of length 0.

    Example:
        >>> language_model(Vocabulary.of("the time machine"), units=8).output_shape
        (None, None, 9)
    """
    if batch_size is not None:
        checks.positive_int("batch_size", batch_size)
    tokens = keras.Input((None,), batch_size=batch_size, dtype="int32", name="tokens")
    vectors = Tokens(vocabulary, name="one_hot")
    outputs = vectors(tokens)
    for number in range(1, checks.positive_int("layers", layers) + 1):
        name = f"{cell}_{number}"
        if batch_size is None:
            layer = recurrent_layer(cell, units, return_sequences=True, name=name)
        else:
            layer = recurrent_layer(cell, units, return_sequences=True, return_state=True, name=name)
            layer = Carried(layer, name=f"carried_{number}")
        outputs = layer(outputs)
    output = keras.layers.Dense(vectors.size, kernel_initializer=GlorotUniform(), name="output")
    return keras.Model(tokens, output(outputs), name="language_model")


def generate(
    model: keras.Model,
    prompt: str,
    length: int,
    temperature: float = 0.0,
    seed: int | None = None,
    vocabulary: Vocabulary | None = None,
) -> str:
    """Let a :func:`language_model` write on from a prompt, and return the prompt and what it wrote.

    The state goes from step to step, so each token costs the same however long the text is. On JAX and
    TensorFlow one compiled program serves every prompt and length. At temperature 0 the likeliest token is
    taken: the same one on every backend, unless two are equal up to float32's rounding. Above 0, tokens are
    drawn from softmax(logits / temperature), as the largest of logits + temperature · g with a standard
    Gumbel g (Gumbel 1954; Maddison, Tarlow & Minka 2014). NumPy draws g, so this too is the same on every
    backend. Reserved tokens are never written.

    Args:
        model: as :func:`language_model` made or ``keras.saving.load_model`` loaded it.
        prompt: at least one token of the vocabulary.
        length: tokens to write, at least 1.
        temperature: 0 or above; 1 draws as the model predicts.
        seed: of the draw; None: the next of the streams that :func:`kerasdl.set_seed` fixes.
        vocabulary: default: the model's own.

    Raises:
        ValueError: a prompt that is empty or holds an unknown token, a vocabulary that does not fit the
            model, a length below 1, a negative temperature, another kind of model, scores that are not
            numbers; above temperature 0, outputs that are no logits.

    Example:
        >>> model = language_model(Vocabulary("ab"), units=4, layers=1)
        >>> len(generate(model, "ab", length=5))
        7
    """
    reads, writer = _writer(model)
    vocabulary = reads.vocabulary if vocabulary is None else vocabulary
    if vocabulary is None:
        raise ValueError("vocabulary=None: this model knows only its length, so give one")
    if len(vocabulary) != reads.size:
        raise ValueError(
            f"vocabulary has {len(vocabulary)} tokens, the model {reads.size}: give the model's own"
        )
    prescribed = vocabulary.encode(prompt)
    if not len(prescribed):
        raise ValueError(f"prompt={prompt!r} is empty: give at least one token to start from")
    checks.positive_int("length", length)
    rng = np.random.default_rng(seed) if seed is not None else random.generator("text")

    # The last token written is not read: there are length + prompt − 1 steps.
    steps = length + len(prescribed) - 1
    told = np.full(-(-steps // CHUNK) * CHUNK, FREE, "int32")
    told[: len(prescribed)] = prescribed
    noise = np.zeros((len(told), reads.size), "float32")
    if checks.not_negative("temperature", temperature):
        if writer.output_layer.activation is not keras.activations.linear:
            raise ValueError(
                f"temperature={temperature!r} divides logits, and {writer.output_layer.name!r} has an "
                "activation: leave that out"
            )
        temperature = min(temperature, 1e30)  # above it float32 ends, and the logits have long lost their say
        noise[len(prescribed) - 1 : steps] = temperature * rng.gumbel(size=(length, reads.size))
    noise[:, : len(vocabulary.reserved)] = -np.inf
    written, state = [], writer.start()
    for begin in range(0, len(told), CHUNK):
        part = slice(begin, begin + CHUNK)
        count = np.array([min(CHUNK, steps - begin)], "int32")
        tokens, *state = writer.predict_on_batch([count, told[part], noise[part], *state])
        written.append(tokens)
    numbers = np.concatenate(written)[len(prescribed) - 1 : steps]
    refuse_lost(model, numbers)
    return vocabulary.decode(np.concatenate([prescribed, numbers.astype("int32")]))


def unless_lost(token: Any, scores: Any) -> Any:
    """Return the token of each row, or LOST where one of its scores is not a number."""
    return ops.where(ops.any(ops.isnan(scores), axis=-1), ops.full_like(token, LOST), token)


def refuse_lost(model: keras.Model, numbers: np.ndarray) -> None:
    """Refuse what a model wrote where its scores were no numbers.

    Raises:
        ValueError: they were.
    """
    if (numbers == LOST).any():
        raise ValueError(
            f"model={model.name!r} gives scores that are not numbers: its training diverged, or its weights "
            "are too large for its dtype"
        )


class _Writer(keras.Model):
    """Steps a language model's cells, up to CHUNK times in one program.

    Its inputs are the number of steps ``(1,)``, the tokens prescribed ``(CHUNK,)`` or FREE, what is added to
    the logits ``(CHUNK, vocabulary)``, the token before and the cells' states; its outputs the token that
    follows each step, the last of them again, and the states.
    """

    def __init__(
        self, reads: Tokens, recurrent: Sequence[keras.layers.Layer], output: keras.layers.Layer
    ) -> None:
        # Numbers pass from call to call in full, whatever policy is set when the first text is written.
        super().__init__(name="writer", dtype="float32", autocast=False)
        self.reads, self.recurrent, self.output_layer = reads, recurrent, output

    def start(self) -> list[np.ndarray]:
        """Return the token and the states before a text; the first prescribed token replaces this one."""
        sizes = [keras.tree.flatten(layer.state_size) for layer in self.recurrent]
        kinds = zip(sizes, self._outside(), strict=True)
        return [np.zeros(1, "int32"), *(np.zeros((1, n), kind) for each, kind in kinds for n in each)]

    def _outside(self) -> list[str]:
        """Return the dtype of each layer's states between two calls: NumPy has no bfloat16."""
        kinds = [layer.cell.compute_dtype for layer in self.recurrent]
        return ["float64" if kind == "float64" else "float32" for kind in kinds]

    def call(self, inputs: Sequence[Any]) -> list[Any]:
        count, told, noise, before, *flat = inputs
        states = [
            [ops.cast(flat.pop(0), layer.cell.compute_dtype) for _ in keras.tree.flatten(layer.state_size)]
            for layer in self.recurrent
        ]

        def step(t: Any, carry: tuple) -> tuple:
            written, token, states = carry
            prescribed = ops.take(told, t, axis=0)
            token = ops.where(prescribed == FREE, token, prescribed)
            vector, after = self.reads(token[:, None])[:, 0], []
            for layer, state in zip(self.recurrent, states, strict=True):
                vector, state = layer.cell(vector, state)
                after.append([ops.cast(one, layer.cell.compute_dtype) for one in state])
            # In float32 at least: half a number has no room for what is never written.
            logits = ops.add(self.output_layer(vector), ops.take(noise, t, axis=0))
            token = ops.cast(ops.argmax(logits, axis=-1), "int32")
            return ops.slice_update(written, [t], unless_lost(token, logits)), token, after

        written, token, states = ops.fori_loop(0, count[0], step, (ops.zeros_like(told), before, states))
        outside = zip(states, self._outside(), strict=True)
        return [written, token, *(ops.cast(one, kind) for state, kind in outside for one in state)]


_writers: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def _writer(model: keras.Model) -> tuple[keras.layers.Layer, _Writer]:
    """Return the layer that reads tokens, and the model's writer: one for as long as the model lives."""
    if model not in _writers:
        chain = _chain(model)
        first, *inner, last = chain if len(chain) > 2 else (None, None)
        recurrent = [layer.layer if isinstance(layer, Carried) else layer for layer in inner]
        if not (
            recurrent
            and isinstance(first, Tokens)
            and isinstance(last, keras.layers.Dense)
            and last.units == first.size
            and all(isinstance(layer, keras.layers.RNN) and not layer.go_backwards for layer in recurrent)
        ):
            raise ValueError(f"model={model!r}: give one that models.language_model made")
        _writers[model] = _Writer(first, recurrent, last)
    return _writers[model].reads, _writers[model]


def _chain(model: keras.Model) -> list[keras.layers.Layer]:
    """Return the layers that a model's input passes, each as often as it does; none where ways part."""
    tensors, chain = getattr(model, "outputs", None) or [], []
    while len(tensors) == 1:
        layer, tensors = borrowed.producer(tensors[0])
        tensors = [one for one in tensors if one.dtype != "bool"]  # without masks
        chain.append(layer)
    return [] if tensors else chain[-2::-1]
