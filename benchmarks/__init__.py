"""The numbers that the README quotes, measured: `make bench`.

Every module with a `measure` function is one benchmark. Both sides of a comparison run in one invocation,
alternating, and medians are compared, so that what else the machine does touches both.
"""
