"""Trackers, ours and others', run over benchmark data sets, scored and reported."""
