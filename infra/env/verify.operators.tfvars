# what WITH= of make verify-aws may ask for
enable_kms    = true
enable_ssm    = true
enable_studio = true
