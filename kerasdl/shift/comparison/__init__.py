"""What has moved, where, and how much? One call on two tables; out comes a verdict with a row a column.

compare    the call
columns    each column tested by itself, all judged together
effects    how much a column has moved, and what a reader may call it
result     Comparison: text, table, figure
page       the same as a page of HTML
"""
