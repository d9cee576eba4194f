"""A plan as data: rules, changes, masking. Knows neither AWS nor Terraform's runs."""
