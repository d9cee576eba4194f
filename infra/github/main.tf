# The roles that GitHub's workflows take, with a token of the run instead of a stored key: one that reads, for pull
# requests and the nightly check for drift, and one that applies, for one environment of one branch.

data "aws_partition" "this" {}

locals {
  partition = data.aws_partition.this.partition
  issuer    = "token.actions.githubusercontent.com"

  # Written out instead of asked of the resource: it may be another stack's, and the policy can be read in the plan.
  provider_arn = "arn:${local.partition}:iam::${var.account_id}:oidc-provider/${local.issuer}"

  subject            = "repo:${coalesce(var.subject, var.repository)}"
  github_environment = coalesce(var.github_environment, var.env)

  plan_subjects = ["${local.subject}:pull_request", "${local.subject}:ref:refs/heads/${var.branch}"]
  apply_subject = "${local.subject}:environment:${local.github_environment}"
}

# No thumbprint: AWS checks this issuer's certificate against its own list of authorities
# (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html).
resource "aws_iam_openid_connect_provider" "this" {
  count = var.create_provider ? 1 : 0

  url            = "https://${local.issuer}"
  client_id_list = ["sts.amazonaws.com"]
}

data "aws_iam_policy_document" "plan_assume" {
  # checkov:skip=CKV_AWS_358:It reads the text before the locals are filled in; the plan's rule tokens-of-one-subject judges the filled one

  statement {
    sid     = "PullRequestsAndTheBranch"
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [local.provider_arn]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:aud"
      values   = ["sts.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:sub"
      values   = local.plan_subjects
    }
  }
}

resource "aws_iam_role" "plan" {
  name                 = "${local.name}-github-plan"
  description          = "Workflows of ${var.repository} plan and look for drift: reads only"
  assume_role_policy   = data.aws_iam_policy_document.plan_assume.json
  permissions_boundary = var.permissions_boundary
  max_session_duration = 3600
}

data "aws_iam_policy_document" "apply_assume" {
  # checkov:skip=CKV_AWS_358:It reads the text before the locals are filled in; the plan's rule tokens-of-one-subject judges the filled one

  statement {
    sid     = "OneEnvironmentOfOneBranch"
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [local.provider_arn]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:aud"
      values   = ["sts.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:sub"
      values   = [local.apply_subject]
    }

    # The subject of a job with an environment does not name the branch; the claim ref does
    # (https://aws.amazon.com/about-aws/whats-new/2026/01/aws-sts-supports-validation-identity-provider-claims/).
    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:ref"
      values   = ["refs/heads/${var.branch}"]
    }
  }
}

resource "aws_iam_role" "apply" {
  name                 = "${local.name}-github-apply"
  description          = "Workflows of ${var.repository} apply ${var.branch} in the environment ${local.github_environment}"
  assume_role_policy   = data.aws_iam_policy_document.apply_assume.json
  permissions_boundary = var.permissions_boundary
  max_session_duration = 3600
}

resource "aws_iam_role_policy_attachment" "apply" {
  for_each = toset(var.apply_policy_arns)

  role       = aws_iam_role.apply.name
  policy_arn = each.value
}

# Whatever the policies above allow: a workflow never widens its own rights.
data "aws_iam_policy_document" "never" {
  statement {
    sid    = "NeverItsOwnRights"
    effect = "Deny"
    actions = [
      "iam:AddClientIDToOpenIDConnectProvider",
      "iam:AttachRolePolicy",
      "iam:DeleteOpenIDConnectProvider",
      "iam:DeleteRole",
      "iam:DeleteRolePolicy",
      "iam:DetachRolePolicy",
      "iam:PutRolePolicy",
      "iam:UpdateAssumeRolePolicy",
      "iam:UpdateOpenIDConnectProviderThumbprint",
    ]
    resources = [
      local.provider_arn,
      "arn:${local.partition}:iam::${var.account_id}:role/${local.name}-github-*",
    ]
  }

  # The operators' policies and the boundary, which the apply role works by.
  statement {
    sid    = "NeverThePoliciesItWorksBy"
    effect = "Deny"
    actions = [
      "iam:CreatePolicyVersion",
      "iam:DeletePolicy",
      "iam:DeletePolicyVersion",
      "iam:SetDefaultPolicyVersion",
    ]
    resources = ["arn:${local.partition}:iam::${var.account_id}:policy/${local.name}-*"]
  }

  statement {
    sid       = "NeverABoundaryLess"
    effect    = "Deny"
    actions   = ["iam:DeleteRolePermissionsBoundary", "iam:PutRolePermissionsBoundary"]
    resources = ["arn:${local.partition}:iam::${var.account_id}:role/*"]
  }

  statement {
    sid    = "NeverTheHistoryOfTheStates"
    effect = "Deny"
    actions = [
      "s3:DeleteBucket",
      "s3:DeleteBucketPolicy",
      "s3:DeleteObjectVersion",
      "s3:PutBucketPolicy",
      "s3:PutBucketVersioning",
      "s3:PutLifecycleConfiguration",
    ]
    resources = [local.state_arn, "${local.state_arn}/*"]
  }
}

resource "aws_iam_role_policy" "never" {
  name   = "never"
  role   = aws_iam_role.apply.id
  policy = data.aws_iam_policy_document.never.json
}
