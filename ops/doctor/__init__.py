"""`make doctor`: what would fail later, found before; and `make billing`: what is still billing, with its end.

- `finding`    one check's line: ok, warning or failure, cause, cure
- `asked`      what the plan asks of the account: vCPUs, types, zones, release
- `machine`    this machine: Terraform, Java, Python, weights, wheelhouse
- `cloud`      the account: who we are, quotas, offerings, release, buckets, clock
- `images`     what lies at INPUT
- `billing`    what bills, as records and lines: what it costs, the command that removes it
- `leftovers`  lists it, service by service

Checks are pure functions on plain values; what asks stands beside them. A check that cannot be made is a warning that
says so, never ok.
"""
