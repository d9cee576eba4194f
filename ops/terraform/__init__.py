"""Terraform itself: its program, workspaces, variables."""
