"""How a cause is found: by the end, by a name, by what ended first, by words; each finder is a function of a scene."""
