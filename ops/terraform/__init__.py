"""Terraform itself. What a plan means is said in `ops.plan`.

- `binary`     finds Terraform and the provider's mirror
- `workspace`  one stack in one environment: plan, apply, outputs, destroy; Ctrl-C lets it finish
- `variables`  what the stacks are given: sizes, artifacts, the operators' boundary, the repository;
               the cluster's plan without asking AWS anything
"""
