"""`make doctor`: what would fail later, found before; and the command `make billing`, whose list is `cost.billing`.

- `finding`    one check's line: ok, warning or failure, cause, cure
- `requirements` what the plan asks of the account: vCPUs, types, zones, release
- `machine`    this machine: Terraform, Java, Python, weights, wheelhouse
- `cloud`      the account: who we are, quotas, offerings, release, buckets, clock
- `images`     what lies at INPUT

Checks are pure functions on plain values; what asks stands beside them. A check that cannot be made is a warning that
says so, never ok.
"""
