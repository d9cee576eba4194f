users      = ["ana"] # existing IAM users; none with IAM Identity Center
enable_ssm = true    # as in the cluster's settings
