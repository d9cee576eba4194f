enable_ssm = true

core = { units = 16 }
task = { units = 16 }
