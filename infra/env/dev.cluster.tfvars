# One node: the primary runs everything. IMAGES= and MINUTES= take a larger one, or a cluster with Spot where none is
# large enough. A cluster in any case: core = { units = 8 }.
core = { units = 0 }
