# ENV=dev: one node, the cheapest that does it. `make` adds env, region and account_id.
