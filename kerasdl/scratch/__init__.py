"""How does it really work? Networks by hand in NumPy: every forward pass, and every gradient behind it.

Nothing here needs Keras or a backend. All arithmetic is float64, and weights have Keras's layout, so that
``LSTM(*keras_layer.get_weights())`` computes what the Keras layer does.

Read in this order: ``layer`` (what a layer promises), ``graph``, ``losses``, ``network``, ``checking``
(is the gradient right?), ``optimizers``, ``regularisation``, ``convolution``, ``recurrent``, ``gated``.
"""

from kerasdl.scratch.checking import GradientError, GradientReport, gradient_check, numerical_gradient
from kerasdl.scratch.convolution import AveragePooling2D, Convolution2D, Flatten, MaxPooling2D
from kerasdl.scratch.gated import GRU, LSTM, MGU, PeepholeLSTM
from kerasdl.scratch.graph import (
    ELU,
    Add,
    Affine,
    Dropout,
    LeakyReLU,
    Maxout,
    Multiply,
    ReLU,
    Sigmoid,
    Tanh,
    sigmoid,
)
from kerasdl.scratch.initial import glorot_uniform, orthogonal
from kerasdl.scratch.layer import Layer
from kerasdl.scratch.losses import MeanSquaredError, SoftmaxCrossEntropy
from kerasdl.scratch.network import Network
from kerasdl.scratch.optimizers import (
    SGD,
    AdaGrad,
    Adam,
    Momentum,
    Nesterov,
    Optimizer,
    RMSProp,
    clip_by_global_norm,
)
from kerasdl.scratch.recurrent import RNN, LastStep, OutputRNN, Recurrent
from kerasdl.scratch.regularisation import dropout, l2_penalty

__all__ = [
    "ELU", "GRU", "LSTM", "MGU", "RNN", "SGD", "AdaGrad", "Adam", "Add", "Affine", "AveragePooling2D",
    "Convolution2D", "Dropout", "Flatten", "GradientError", "GradientReport", "LastStep", "Layer",
    "LeakyReLU", "MaxPooling2D", "Maxout", "MeanSquaredError", "Momentum", "Multiply", "Nesterov",
    "Network", "Optimizer", "OutputRNN", "PeepholeLSTM", "RMSProp", "ReLU", "Recurrent", "Sigmoid",
    "SoftmaxCrossEntropy", "Tanh", "clip_by_global_norm", "dropout", "glorot_uniform", "gradient_check",
    "l2_penalty", "numerical_gradient", "orthogonal", "sigmoid",
]  # fmt: skip
