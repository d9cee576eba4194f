enable_kms = true
