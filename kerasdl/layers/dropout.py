"""How is the same unit dropped on every backend? By a mask that is computed, not drawn.

A mask is a function of counters: an integer hash of each unit's place, of the layer's key and of the step.
Integers have no rounding, so TensorFlow, JAX and PyTorch, eager or compiled, give the same masks.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from kerasdl import checks, random


def _int32(word: int) -> int:
    return (word ^ 0x80000000) - 0x80000000


# Odd numbers with well-spread bits. The first and the two of the rounds are the golden ratio's (Knuth 1973)
# and those of "lowbias32" (Wellons 2018); the others, MurmurHash3's and xxHash's (Appleby, Collet), keep key
# and step apart.
_PLACE, _ROUND_1, _ROUND_2 = map(_int32, (0x9E3779B9, 0x7FEB352D, 0x846CA68B))
_STEP_1, _STEP_2, _KEY_2 = map(_int32, (0x85EBCA6B, 0x27D4EB2F, 0xC2B2AE35))


def keep_mask(shape: tuple[Any, ...], rate: float, key: Any, step: Any) -> Any:
    """Return a boolean tensor of this shape in which each unit is False with probability ``rate``.

    Args:
        shape: of the mask.
        rate: share dropped, in [0, 1). It is rounded to a multiple of 2⁻³².
        key, step: int32 tensors without axes, or with the mask's number of axes, each of length 1; each pair
            gives another mask. Keys of shape ``(n, 1, 1)`` make the masks ``(n, *shape)`` at once, each equal
            to the one that its key gives alone.

    Example:
        >>> key, step = keras.ops.array([7, 0], "int32")
        >>> tuple(keep_mask((2, 3), 0.5, key, step).shape)
        (2, 3)
    """
    return hashed(shape, key, step) >= threshold(rate)


def threshold(rate: float) -> int:
    """Return the 32-bit integer below which a :func:`hashed` word says "drop"."""
    return min(round(rate * 2**32), 2**32 - 1) - 2**31


def hashed(shape: tuple[Any, ...], key: Any, step: Any) -> Any:
    """Return int32 words, one a unit, each value as likely as any other; arguments as :func:`keep_mask`."""
    first, second = key + step * _STEP_1, key * _KEY_2 + step * _STEP_2
    size = 1
    for length in shape:  # not math.prod: TensorFlow may know a length only when it runs
        size = size * length
    word = ops.reshape(ops.arange(size, dtype="int32"), shape) * _PLACE
    # int32, because torch has no uint32 arithmetic; products and sums wrap to the same bits.
    word = word + first
    word = (word ^ _shift_right(word, 16)) * _ROUND_1
    # A second word of key material: two masks whose first words meet at some place do not stay together.
    word = word + second
    # A comparison reads the highest bits first, those that a product mixes best: no third shift is needed.
    return (word ^ _shift_right(word, 15)) * _ROUND_2


def _shift_right(word: Any, bits: int) -> Any:
    """Shift in zeros. The shift of a signed integer copies its sign, which the mask takes off again."""
    return ops.right_shift(word, bits) & ((1 << (32 - bits)) - 1)


@keras.saving.register_keras_serializable("kerasdl")
class Dropout(keras.layers.Layer):
    """Zeroes a share of its inputs in training, the same ones on every backend (Srivastava et al. 2014).

    Drop-in for :class:`keras.layers.Dropout`: what is kept is divided by 1 − rate, so that expectations stay,
    and at inference nothing is dropped. Each training call takes the next step's mask. The step is a state
    like the stock layer's: not among ``get_weights()``, carried by ``fit`` on every backend, put back by
    :func:`kerasdl.training.restore`; other than there, it is saved with the weights, so a resumed run goes on
    where it stopped.

    Args:
        rate: share of the units to drop, in [0, 1].
        noise_shape: shape of the mask, broadcast over the inputs; None, alone or for one axis, means as long
            as the inputs. ``(None, 1, None)`` drops a feature at all times or at none.
        seed: int that fixes the masks: two layers with one seed drop the same units. Default: a key of this
            layer's own, drawn when it is made from the streams that :func:`kerasdl.set_seed` fixes.

    Call arguments:
        inputs: floats of any shape.
        training: drop only where True.

    Raises:
        ValueError: a rate outside [0, 1], a noise shape that is not one or does not fit the inputs.
        TypeError: a seed that is not a whole number.

    Example:
        >>> layer = Dropout(0.5, seed=0)
        >>> dropped = layer(keras.ops.ones((8, 8)), training=True)
        >>> sorted(set(keras.ops.convert_to_numpy(dropped).ravel().tolist()))
        [0.0, 2.0]
    """

    def __init__(
        self,
        rate: float,
        noise_shape: tuple[int | None, ...] | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.rate = checks.fraction("rate", rate)
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)
        for length in self.noise_shape or ():
            if length is not None:
                checks.positive_int("noise_shape", length)
        self.seed = int(seed) if isinstance(seed, np.integer) else seed  # a config holds plain numbers
        self.supports_masking = True
        if self.rate > 0:
            # Keras's trainers carry the state of its seed generators, two integers: here (key, step).
            self.seed_generator = keras.random.SeedGenerator(_key(seed))

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training or self.rate == 0:
            return inputs
        if self.rate == 1:
            return ops.zeros_like(inputs)
        shape = self._mask_shape(ops.shape(inputs))
        # With axes: of numbers without any, Keras's NumPy backend would warn that their product wraps.
        state = ops.reshape(ops.cast(self.seed_generator.next(), "int32"), (2, *(1 for _ in shape)))
        keep = keep_mask(shape, self.rate, key=state[0], step=state[1])
        # A product, not ops.where, which on torch takes longer than all of the hash.
        return inputs * (ops.cast(keep, inputs.dtype) * (1 / (1 - self.rate)))

    def _mask_shape(self, shape: tuple[Any, ...]) -> tuple[Any, ...]:
        if self.noise_shape is None:
            return shape
        fits = len(self.noise_shape) == len(shape) and all(
            wanted in (None, 1) or not isinstance(length, int) or wanted == length
            for wanted, length in zip(self.noise_shape, shape, strict=True)
        )
        if not fits:
            raise ValueError(
                f"noise_shape={self.noise_shape} does not fit inputs of shape {shape}: "
                "give None, 1 or the input's own length for each axis"
            )
        lengths = zip(self.noise_shape, shape, strict=True)
        return tuple(length if wanted is None else wanted for wanted, length in lengths)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def save_own_variables(self, store: Any) -> None:
        if self.rate > 0:
            store["state"] = ops.convert_to_numpy(self.seed_generator.state).astype("int64")

    def load_own_variables(self, store: Any) -> None:
        # Weights saved beside a stock layer hold no state: the masks then start as they would have.
        if self.rate > 0 and "state" in store:
            self.seed_generator.state.assign(store["state"])

    def get_config(self) -> dict[str, Any]:
        config = {"rate": self.rate, "noise_shape": self.noise_shape, "seed": self.seed}
        return {**super().get_config(), **config}


def _key(seed: int | None) -> int:
    """31 bits, the most that fits each backend's integer; seeds such as 0 and 1 give keys unlike in all."""
    if seed is None:
        seed = int(random.generator("dropout").integers(2**32))
    elif isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        raise TypeError(f"seed={seed!r}: give a whole number, or None for a key drawn by kerasdl")
    return int(np.random.SeedSequence(int(seed) % 2**64).generate_state(1)[0]) >> 1
