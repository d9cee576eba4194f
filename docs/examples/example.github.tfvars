branch             = "main"                                                # the one that is applied
github_environment = "production"                                          # whose jobs may apply; give it required reviewers
create_provider    = false                                                 # another project made the account's provider of GitHub
apply_policy_arns  = ["arn:aws:iam::123456789012:policy/fruits-operators"] # what an apply may do; none: plan only
