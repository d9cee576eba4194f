# What make doctor, make billing, make cost and make prices look at; nothing in here changes anything.

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
      "sagemaker:ListDomains",
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
    sid       = "Prices"
    actions   = ["pricing:GetProducts"]
    resources = ["*"] # the action knows no resource, and its API is in few regions
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
