"""From a failure to its cause: `make diagnose`, and what `run-step`, `watch` and `apply` print when something failed.

``evidence`` is what was found; ``gather`` finds it, on a cluster or in a saved log tree; ``causes`` names the cause by
the rows of ``table``; ``tracebacks`` reads Python's; ``render`` shows it; ``wait`` waits for what is late.
"""
