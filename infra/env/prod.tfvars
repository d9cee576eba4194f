# ENV=prod: account_id is asked of AWS by `make`.
env = "prod"
