"""EMR as its users see it: the API, the life of a cluster, bootstrap actions and steps that really run."""
