"""Losses on response maps."""
