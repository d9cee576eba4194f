"""Draws the embedded sample: fruits from all sides, the same bytes each time."""
