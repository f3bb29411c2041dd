"""How do many small networks train as one? Members of one stack, each with weights and batches of its own."""
