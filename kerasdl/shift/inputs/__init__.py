"""What may enter a shift tool, and how does it become numbers? The floor that all its other rooms stand on.

allowed     probabilities, labels, weights and arrays of finite numbers; the rest is refused
tables      DataFrames, arrays and sparse matrices of any columns, read in one way
encoding    columns of any kind as numbers
geometry    distances and scales of rows
"""
