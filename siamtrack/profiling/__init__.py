"""Where the time of a frame goes, stage by stage, beside other trackers and beside what the machine could do.

Everything runs one after the other on purpose, video coders on one thread each, so that no stage computes in another
one's time. `siamtrack track` overlaps them and is faster end to end.
"""
