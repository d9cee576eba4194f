"""`make plan-report`: what a pull request would do to the stacks, as one comment, and whether it may be merged.

- `standing`  a state in which everything stands that the base plans, so that the provider says what the head changes
- `validation` answers for AWS what the provider asks of a workflow even without AWS
- `comment`   the verdict and the Markdown: pure functions
- `gather`    runs Terraform on base and head, and against what is deployed in the account
- `drift`     whether storage differs from the code, and what bills
"""
