"""Training data from own videos: key frames by hand, boxes in between by tracking, and the sequences on disk."""
