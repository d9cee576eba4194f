"""An account: who we are, what is there, what AWS left behind. What something costs is said in `ops.cost`.

- `account`       clients, stores and the outputs of the stacks, as a value; making one changes nothing
- `capacity`      Spot capacity that has not come: which fleets lack it, until when, and what EMR does then
- `inventory`     everything of an environment that AWS lists
- `describe`      what AWS says of one thing: a cluster, a step, its tags
- `emr`, `states` the steps of a cluster, and what EMR's states mean
- `store`         the job's reader of stores, signed as boto3 signs
- `poll`          the one loop that waits: pace, limit, patience with calls that fail
- `refusals`      AWS's errors as cause and fix
- `state_bucket`  the bucket of Terraform's states
- `studio`        what SageMaker is asked
- `transfer`      many files to S3 or from it at once
- `sweep`         removes what EMR and SageMaker leave in our network
"""
