"""What does Keras lack? Layers that the course and its users need.

Recurrent layers with a fast loop, cells that Keras does not have, dropout with the same masks on every
backend, maxout, powers, attention, and what lets sequences and tokens in. Tensors go in and out, as in any
Keras layer.

``model.export`` writes the recurrent layers as Keras's own loop, so they go into each format that Keras has
on a backend (keras 3.15): SavedModel and ONNX on JAX and TensorFlow, TFLite on TensorFlow, ONNX and PyTorch's
own on PyTorch, there for one length, which ``input_signature`` gives.
"""

from kerasdl.layers.attention import Attention
from kerasdl.layers.cells.gru import GRU
from kerasdl.layers.cells.lstm import LSTM
from kerasdl.layers.cells.mgu import MGU, MGUCell
from kerasdl.layers.cells.peephole import PeepholeLSTM, PeepholeLSTMCell
from kerasdl.layers.cells.simple import SimpleRNN
from kerasdl.layers.convert import accelerate, standard
from kerasdl.layers.dropout import Dropout
from kerasdl.layers.maxout import Maxout
from kerasdl.layers.powers import Powers
from kerasdl.layers.sequences import Carried, Steps, Tokens

__all__ = [
    "GRU",
    "LSTM",
    "MGU",
    "Attention",
    "Carried",
    "Dropout",
    "MGUCell",
    "Maxout",
    "PeepholeLSTM",
    "PeepholeLSTMCell",
    "Powers",
    "SimpleRNN",
    "Steps",
    "Tokens",
    "accelerate",
    "standard",
]
