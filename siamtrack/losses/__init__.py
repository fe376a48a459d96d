"""Losses on response maps, pairs and triplets."""
