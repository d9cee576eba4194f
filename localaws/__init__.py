"""The embedded AWS of ENV=local: moto's server on loopback, with an EMR that really runs what it is given.

Any real client works against it: Terraform, aws-cli, boto3. It holds its state in memory: stopping it empties
the account. What it checks and what it only accepts is said in ``docs/embedded-aws.md``.
"""
