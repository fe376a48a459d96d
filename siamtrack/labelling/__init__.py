"""Own videos to training data: key frames, what is filled in between, and the folder that is written."""
