"""From a failure to its cause: `make diagnose`, and what `run-step`, `watch` and `apply` print when something failed.

``evidence`` is what was found, ``gather`` finds it (a live cluster's API and logs, or a saved log tree), ``causes`` names
the cause from it (pure), ``tracebacks`` reads Python's, ``render`` shows it, ``command`` waits for what is late.
"""
