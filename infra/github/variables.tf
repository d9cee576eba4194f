variable "repository" {
  description = "Repository whose workflows may take the roles: owner/name."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}$", var.repository))
    error_message = "\"${var.repository}\" is not a repository of GitHub. Write owner/name, without https:// and without a wildcard: a role for several repositories is a role for whoever can push to one of them."
  }
}

# GitHub writes immutable ids into the subject of repositories that are made, renamed or transferred on or after
# 2026-07-15: repo:octocat@123456/fruits@456789:…
# (https://docs.github.com/en/actions/reference/security/oidc).
variable "subject" {
  description = "How a token's subject calls the repository, where that is not owner/name: owner@123456/name@456789 in repositories made, renamed or transferred on or after 2026-07-15 (the settings of Actions, OIDC, show it). Null means owner/name."
  type        = string
  default     = null

  validation {
    condition     = var.subject == null ? true : can(regex("^[A-Za-z0-9][A-Za-z0-9-]{0,38}(@[0-9]{1,20})?/[A-Za-z0-9._-]{1,100}(@[0-9]{1,20})?$", var.subject))
    error_message = "subject must be what stands between \"repo:\" and the next colon of the token's subject, for instance octocat@123456/fruits@456789; no wildcard."
  }
}

variable "branch" {
  description = "Branch that is applied, and on which the nightly check for drift runs."
  type        = string
  default     = "main"

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$", var.branch))
    error_message = "branch must be the name of one branch, without refs/heads/ and without a wildcard."
  }
}

variable "github_environment" {
  description = "Environment of the repository whose jobs may take the apply role; give it required reviewers. Null means the name of env."
  type        = string
  default     = null

  validation {
    condition     = var.github_environment == null ? true : can(regex("^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", var.github_environment))
    error_message = "github_environment must be the name of one environment of the repository, without a wildcard."
  }
}

variable "create_provider" {
  description = "Make the account's OIDC provider of GitHub. An account has one: set it to false where another environment or another project made it."
  type        = bool
  default     = true
}

variable "state_bucket" {
  description = "Bucket of Terraform's states. Null means the one that `make` uses."
  type        = string
  default     = null

  validation {
    condition     = var.state_bucket == null ? true : can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.state_bucket))
    error_message = "state_bucket must be the name of a bucket (no URI, no wildcard)."
  }
}

variable "apply_policy_arns" {
  description = "Policies of this account that say what an apply may do. None: the apply role can plan, and nothing else."
  type        = list(string)
  default     = []

  validation {
    condition     = length(var.apply_policy_arns) <= 10 && alltrue([for arn in var.apply_policy_arns : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:policy/", arn))])
    error_message = "apply_policy_arns takes up to 10 ARNs of policies of your own account. AWS's managed ones (AdministratorAccess, PowerUserAccess) are refused: a workflow that can do everything is one stolen token away from doing it."
  }
}

variable "permissions_boundary" {
  description = "ARN of a policy that bounds both roles; null means none."
  type        = string
  default     = null
}
