"""Cameras and streams: the newest frame counts, and a lost connection is opened again."""
