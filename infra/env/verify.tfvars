# ENV=verify: what `make verify-aws` makes, looks at and removes. `make` adds env, region and account_id.
