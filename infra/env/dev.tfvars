# ENV=dev: the smallest cluster that shows everything. `make` adds env, region and account_id.
