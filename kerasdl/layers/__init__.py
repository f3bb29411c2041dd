"""What does Keras lack? Layers that the course and its users need."""

from kerasdl.layers.maxout import Maxout
from kerasdl.layers.powers import Powers

__all__ = ["Maxout", "Powers"]
