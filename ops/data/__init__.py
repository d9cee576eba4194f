"""Where photographs come from: fetched, or cut from a folder that is already there."""
