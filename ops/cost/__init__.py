"""`make cost`: what a cluster will cost, what each step did cost, and what both leave out.

- `money`     amounts, a second currency at a dated rate
- `speed`     images per second and vCPU, as measured by the benchmark or by the last run
- `estimate`  from a plan: per hour, and for so many images
- `candidates` what else would do it: one node, clusters, a machine by hand
- `quote`     the estimate and the candidates, as `make cost` and the question of `make apply` show them
- `period`    what a period of a cluster cost, from its instances' lifetimes: start-up, work, idle
- `ledger`    one object per step in the data bucket
- `after`     the lines that other commands print when a step, a cluster or the demo has ended
- `billing`   everything of an environment that bills, as `make billing` lists it; `leftovers` prices the inventory
- `upkeep`    the last line of a command: what its own cluster and network still bill
"""
