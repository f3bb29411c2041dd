"""Which network? Each builder returns an uncompiled :class:`keras.Model`, its weights drawn in NumPy."""

from kerasdl.models.convolutional import convnet
from kerasdl.models.dense import linear, mlp, polynomial

__all__ = ["convnet", "linear", "mlp", "polynomial"]
