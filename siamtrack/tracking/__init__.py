"""The tracking loop: crops, scale search, post-processing of responses, and the tracker itself."""
