"""The embedded AWS of ENV=local: moto's server on loopback, with an EMR that really runs what it is given.

Any real client works against it: Terraform, aws-cli, boto3. It keeps its state in memory: stopping it
empties the account. ``docs/embedded-aws.md`` lists what it checks and what it only accepts.
"""
