# ENV=dev: the smallest cluster that shows everything. account_id is asked of AWS by `make`.
env = "dev"
