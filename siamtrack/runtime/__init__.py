"""What runs the network while tracking: PyTorch, or a runtime that a model was exported to."""
