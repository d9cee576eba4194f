# ENV=prod. `make` adds env, region and account_id.
