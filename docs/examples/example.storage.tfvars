budget_usd    = 20                  # US dollars per month, of the whole account
budget_emails = ["you@example.org"] # who is told at 50 %, 80 % and 100 %
log_days      = 30                  # logs are deleted after that
enable_kms    = false               # a key of your own, about 1 USD per month
