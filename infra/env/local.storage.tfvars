lifecycle_rules = false # the provider waits 55 s for them, on any server
