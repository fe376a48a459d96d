"""Video files: reading, writing, colors and concatenation."""
