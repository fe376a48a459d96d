"""Time of every stage of a frame, compared with other trackers and with the limit of the machine.

The stages run one after the other, and video coders use one thread each, so that no stage computes during another one.
`siamtrack track` overlaps the stages and is faster end to end.
"""
