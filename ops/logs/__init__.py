"""What EMR leaves in a log bucket: where each log lies (`layout`), and how it is read (`reader`).

Nothing here knows why a step failed (`ops.diagnose` does), and nothing here raises because a log is odd.
"""
