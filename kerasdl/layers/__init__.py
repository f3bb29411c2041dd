"""What does Keras lack? Layers that the course and its users need."""

from kerasdl.layers.dropout import Dropout
from kerasdl.layers.maxout import Maxout
from kerasdl.layers.powers import Powers

__all__ = ["Dropout", "Maxout", "Powers"]
