"""What does Keras lack? Layers that the course and its users need."""

from kerasdl.layers.attention import Attention
from kerasdl.layers.dropout import Dropout
from kerasdl.layers.maxout import Maxout
from kerasdl.layers.peephole import PeepholeLSTMCell
from kerasdl.layers.powers import Powers
from kerasdl.layers.recurrent import GRU, LSTM, PeepholeLSTM, SimpleRNN
from kerasdl.layers.sequences import Carried, Steps, Tokens

__all__ = [
    "GRU",
    "LSTM",
    "Attention",
    "Carried",
    "Dropout",
    "Maxout",
    "PeepholeLSTM",
    "PeepholeLSTMCell",
    "Powers",
    "SimpleRNN",
    "Steps",
    "Tokens",
]
