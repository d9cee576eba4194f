"""EMR as its users see it: the API, the life of a cluster, and bootstrap actions and steps that really run."""
