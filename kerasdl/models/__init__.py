"""Which network? Each builder returns an uncompiled :class:`keras.Model`, its weights drawn in NumPy."""

from kerasdl.models.dense import linear, mlp, polynomial

__all__ = ["linear", "mlp", "polynomial"]
