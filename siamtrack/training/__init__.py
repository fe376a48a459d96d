"""Training: recipes, checkpoints and the loop."""
