"""The commands. Nothing imports this room."""
