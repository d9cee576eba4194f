enable_kms = true
enable_ssm = true
