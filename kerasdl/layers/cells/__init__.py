"""Which recurrent cells are there? One file for each: its arithmetic, its Keras cell and its layer.

:mod:`~kerasdl.layers.cells.base` says what a cell owes to the loop over time, what a backend owes to a cell,
and keeps the list of the cells. A cell is on it once :mod:`kerasdl.layers` has imported its file.
"""
