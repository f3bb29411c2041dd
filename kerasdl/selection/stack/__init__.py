"""How do many small networks train as one? Members of one stack, each with weights and batches of its own.

Small dense models and their rows go in; out come, for each, its trained weights, history and predictions.
"""
