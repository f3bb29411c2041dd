"""Which network turns one sequence into another of a different length? An encoder and a decoder.

Two vocabularies go in; out comes a Keras model that is trained on pairs of texts, and :func:`translate`
writes with it.
"""

import weakref
from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasdl import checks
from kerasdl.initializers import GlorotUniform
from kerasdl.layers import Attention, Tokens
from kerasdl.models.language import refuse_lost, unless_lost
from kerasdl.models.recurrent import recurrent_layer
from kerasdl.text import Vocabulary

NEEDED = ("padding", "begin", "end")


def encoder_decoder(
    source: Vocabulary,
    target: Vocabulary,
    cell: str = "lstm",
    units: int = 256,
    layers: int = 1,
    attention: bool = False,
    embedding: int | None = None,
) -> keras.Model:
    """Return a network that reads a whole text and then writes another (Sutskever et al., Cho et al. 2014).

    The encoder's final states, layer by layer, are the decoder's first ones. Trained with teacher forcing,
    the model has two inputs, source tokens ``(batch, read)`` and target tokens ``(batch, written)`` that
    open with ``begin``; it gives logits ``(batch, written, len(target))`` for the same tokens, one step on::

        x = source.encode_all(questions), target.encode_all(answers, begin=True)
        y = target.encode_all(answers, end=True)

    Padding is masked: the encoder passes over it, attention gives it no weight, and Keras's losses leave it
    out. So do its metrics on TensorFlow and PyTorch, on JAX (keras 3.15) only ``weighted_metrics`` with
    ``sample_weight=y != target.padding``. A source that is all padding, an empty text beside others, hands
    over zeros. :func:`translate` writes without a teacher.

    Args:
        source: vocabulary that reserves ``"padding"``.
        target: vocabulary that reserves ``"padding"``, ``"begin"`` and ``"end"``.
        cell: ``"rnn"``, ``"gru"``, ``"lstm"``, ``"peephole"`` or ``"mgu"``, for both halves.
        units: width of each layer, the size of its state.
        layers: recurrent layers in each half, at least 1.
        attention: let each decoder step look back at all encoder outputs, weighted by a softmax of dot
            products, and mix what it sees into its own output by a tanh layer (Luong, Pham & Manning 2015,
            eq. 5 and 7).
        embedding: width of learned token vectors; None: one-hot.

    Raises:
        TypeError: a vocabulary that is not a :class:`kerasdl.text.Vocabulary`.
        ValueError: a reserved token is missing, a size below 1, an unknown cell; in use, texts of length 0.

    Example:
        >>> letters = Vocabulary("ab", reserved=["padding", "begin", "end"])
        >>> encoder_decoder(letters, letters, units=8).output_shape
        (None, None, 5)
    """
    for argument, vocabulary, needed in (("source", source, NEEDED[:1]), ("target", target, NEEDED)):
        if not isinstance(vocabulary, Vocabulary):
            raise TypeError(f"{argument}={vocabulary!r}: give a kerasdl.text.Vocabulary")
        for name in needed:
            if name not in vocabulary.reserved:
                raise ValueError(f"{argument} reserves no {name!r} token: make it with {list(needed)}")
    numbers = range(1, checks.positive_int("layers", layers) + 1)
    both = {"return_sequences": True, "return_state": True}
    read = keras.Input((None,), dtype="int32", name="source")
    memory, states = Tokens(source, embedding, name="source_tokens")(read), []
    for number in numbers:
        encoder = recurrent_layer(cell, units, **both, name=f"encoder_{number}")
        memory, *state = encoder(memory)
        states.append(state)
    written = keras.Input((None,), dtype="int32", name="target")
    outputs = Tokens(target, embedding, name="target_tokens")(written)
    for number, state in zip(numbers, states, strict=True):
        decoder = recurrent_layer(cell, units, **both, name=f"decoder_{number}")
        outputs, *_ = decoder(outputs, initial_state=state)
    if attention:
        seen = Attention(name="attention")(outputs, memory)
        outputs = keras.layers.Concatenate(name="output_and_seen")([outputs, seen])
        mix = keras.layers.Dense(units, "tanh", kernel_initializer=GlorotUniform(), name="mix")
        outputs = mix(outputs)
    output = keras.layers.Dense(len(target), kernel_initializer=GlorotUniform(), name="output")
    return keras.Model([read, written], output(outputs), name="encoder_decoder")


def translate(model: keras.Model, texts: Iterable[str], length: int, batch_size: int = 256) -> list[str]:
    """Let an :func:`encoder_decoder` write an answer to each text, the likeliest token at each step.

    Each step takes the token before and the state, in one program on JAX and TensorFlow; it stops when all
    rows have written ``end``.

    Args:
        model: as :func:`encoder_decoder` made or ``keras.saving.load_model`` loaded it.
        texts: in the source's vocabulary.
        length: the most tokens that an answer may have; a longer one is cut off there.
        batch_size: texts read side by side.

    Returns:
        One text each, without reserved tokens.

    Raises:
        TypeError: a single text.
        ValueError: an unknown character or word, only empty texts, a length below 1, another kind of model,
            scores that are not numbers.

    Example:
        >>> letters = Vocabulary("ab", reserved=["padding", "begin", "end"])
        >>> len(translate(encoder_decoder(letters, letters, units=8), ["ab", "a"], length=4))
        2
    """
    writer = _writer(model)
    read = writer.source.vocabulary.encode_all(texts)
    if not len(read):
        return []
    if not read.shape[1]:  # here, for on JAX (keras 3.15) a prediction that fails loses the weights
        raise ValueError(f"texts={texts!r} are all empty: give one with something in it")
    target = writer.target.vocabulary
    blank = np.full((len(read), checks.positive_int("length", length)), target.padding, "int32")
    checks.positive_int("batch_size", batch_size)
    numbers = writer.predict([read, blank], batch_size=min(batch_size, len(read)), verbose=0)
    refuse_lost(model, numbers)
    return target.decode_all(numbers.astype("int32"))


class _Translator(keras.Model):
    """Reads tokens ``(batch, read)`` and fills a blank ``(batch, length)`` with greedily chosen ones."""

    def __init__(self, model: keras.Model) -> None:
        # Its layers have their own precision, whatever policy is set when the first text is written.
        super().__init__(name="translator", dtype="float32", autocast=False)
        self.source, self.target = model.get_layer("source_tokens"), model.get_layer("target_tokens")
        layers = {layer.name: layer for layer in model.layers}
        encoders = [layer for name, layer in layers.items() if name.startswith("encoder_")]
        memory, states = encoders[-1].output[0], [layer.output[1:] for layer in encoders]
        self.encoder = keras.Model(model.inputs[0], [memory, states])
        self.decoders = [layer for name, layer in layers.items() if name.startswith("decoder_")]
        self.attention, self.mix = layers.get("attention"), layers.get("mix")
        self.output_layer = layers["output"]

    def call(self, inputs: Sequence[Any]) -> Any:
        read, blank = inputs
        memory, states = self.encoder(read)
        counts = ops.not_equal(read, self.source.padding)
        vocabulary = self.target.vocabulary
        never = [-1e9 * (name != "end") for name in vocabulary.reserved] + [0.0] * len(vocabulary.tokens)
        never, length = ops.array(never, "float32"), ops.shape(blank)[1]

        def unfinished(t: Any, written: Any, token: Any, states: Any) -> Any:
            return ops.logical_and(t < length, ops.any(_goes_on(token, vocabulary)))

        def step(t: Any, written: Any, token: Any, states: Any) -> tuple:
            output, after = self.target(token[:, None])[:, 0], []
            for layer, state in zip(self.decoders, states, strict=True):
                output, state = layer.cell(output, state)
                after.append([ops.cast(one, layer.cell.compute_dtype) for one in state])
            if self.attention is not None and self.mix is not None:
                seen = self.attention(output[:, None], memory, memory_mask=counts)[:, 0]
                output = self.mix(ops.concatenate([output, seen], axis=-1))
            # In float32 at least: half a number has no room for what is never written.
            scores = ops.add(self.output_layer(output), never)
            best = ops.cast(ops.argmax(scores, axis=-1), "int32")
            nothing = ops.full_like(token, vocabulary.padding)
            goes_on = _goes_on(token, vocabulary)
            shown = ops.where(goes_on, unless_lost(best, scores), nothing)
            written = ops.slice_update(written, [zero, t], shown[:, None])
            return t + 1, written, ops.where(goes_on, best, nothing), after

        first, zero = ops.full_like(blank[:, 0], vocabulary.begin), ops.array(0, "int32")
        states = [
            [ops.cast(one, layer.cell.compute_dtype) for one in state]
            for layer, state in zip(self.decoders, states, strict=True)
        ]
        return ops.while_loop(unfinished, step, (zero, blank, first, states))[1]


def _goes_on(token: Any, vocabulary: Vocabulary) -> Any:
    return ops.logical_and(token != vocabulary.end, token != vocabulary.padding)


_translators: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def _writer(model: keras.Model) -> _Translator:
    """Return the model's translator: one for as long as the model lives."""
    if model not in _translators:
        names = {layer.name for layer in getattr(model, "layers", [])}
        if not {"source_tokens", "target_tokens", "encoder_1", "decoder_1"} <= names:
            raise ValueError(f"model={model!r}: give one that models.encoder_decoder made")
        _translators[model] = _Translator(model)
    return _translators[model]
