"""Trackers of others, to be measured against."""
