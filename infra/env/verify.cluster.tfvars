# One node of each kind, the task node on Spot so that node labels are there to be looked at; an hour at the most.
core      = { units = 4 }
task      = { units = 4 }
ttl_hours = 1
