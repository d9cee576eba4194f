# What make doctor, make billing, make cost, make prices and make verify-aws look at; nothing in here changes anything.

data "aws_iam_policy_document" "doctor" {
  statement {
    sid = "Look"
    actions = [
      "ec2:DescribeAddresses",
      "ec2:DescribeInstanceTypeOfferings",
      "ec2:DescribeInstances",
      "ec2:DescribeNatGateways",
      "ec2:DescribeVolumes",
      "elasticmapreduce:GetBlockPublicAccessConfiguration",
      "elasticmapreduce:ListClusters",
      "elasticmapreduce:ListReleaseLabels",
      "elasticmapreduce:ListSecurityConfigurations",
      "sagemaker:ListDomains",
      "scheduler:ListSchedules",
      "servicequotas:GetServiceQuota",
      "tag:GetResources",
    ]
    resources = ["*"] # these actions know no resource

    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = [var.region]
    }
  }

  statement {
    sid       = "LookOutsideTheRegion"
    actions   = ["ce:GetCostAndUsage", "iam:ListRoles", "pricing:GetProducts"]
    resources = ["*"] # no resource of ours; IAM and the bill have no region, and prices have few
  }

  statement {
    sid       = "SizeOfTheStates"
    actions   = ["s3:ListBucketVersions"]
    resources = [local.state_bucket_arn]
  }
}

resource "aws_iam_policy" "doctor" {
  name        = "${local.name}-operators-doctor"
  description = "What make doctor and make billing look at in ${local.name}"
  policy      = data.aws_iam_policy_document.doctor.json
}
