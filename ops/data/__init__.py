"""Where the photographs come from: drawn here, fetched, or cut from a folder that is already there."""
