"""Runtimes of the network while tracking: PyTorch, or a library that a model was exported to."""
