# The network of a cluster: only what bears the tags of this project and environment, or is given them when it is made.

data "aws_iam_policy_document" "network" {
  statement {
    sid = "See"
    actions = [
      "ec2:DescribeNetworkAcls",
      "ec2:DescribeNetworkInterfaces",
      "ec2:DescribePrefixLists",
      "ec2:DescribeRouteTables",
      "ec2:DescribeSecurityGroupRules",
      "ec2:DescribeSecurityGroups",
      "ec2:DescribeSubnets",
      "ec2:DescribeVpcAttribute",
      "ec2:DescribeVpcEndpoints",
      "ec2:DescribeVpcs",
    ]
    resources = ["*"] # these actions know no resource

    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = [var.region]
    }
  }

  # What a call makes stands in a statement of its own: EC2 decides CreateSubnet on the new subnet and on the VPC, and the
  # tags of the request must never stand for those of the VPC.
  statement {
    sid       = "MakeVpc"
    actions   = ["ec2:CreateVpc"]
    resources = ["${local.ec2_arn}:vpc/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/Project"
      values   = [var.project]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/Environment"
      values   = [var.env]
    }
  }

  statement {
    sid       = "MakeInTheVpc"
    actions   = ["ec2:CreateRouteTable", "ec2:CreateSecurityGroup", "ec2:CreateSubnet"]
    resources = formatlist("${local.ec2_arn}:%s/*", ["route-table", "security-group", "subnet"])

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/Project"
      values   = [var.project]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/Environment"
      values   = [var.env]
    }
  }

  # A rule that is made with its tags is a resource of its own, beside the group
  # (https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html).
  statement {
    sid = "MakeRulesAndEndpoints"
    actions = [
      "ec2:AuthorizeSecurityGroupEgress",
      "ec2:AuthorizeSecurityGroupIngress",
      "ec2:CreateVpcEndpoint",
    ]
    resources = formatlist("${local.ec2_arn}:%s/*", ["security-group-rule", "vpc-endpoint"])

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/Project"
      values   = [var.project]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/Environment"
      values   = [var.env]
    }
  }

  # Only in the call that makes it: whoever may put our tags on what is there already owns it.
  statement {
    sid       = "TagWhatIsMade"
    actions   = ["ec2:CreateTags"]
    resources = formatlist("${local.ec2_arn}:%s/*", ["route-table", "security-group", "security-group-rule", "subnet", "vpc", "vpc-endpoint"])

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/Project"
      values   = [var.project]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/Environment"
      values   = [var.env]
    }

    condition {
      test     = "StringEquals"
      variable = "ec2:CreateAction"
      values   = ["AuthorizeSecurityGroupEgress", "AuthorizeSecurityGroupIngress", "CreateRouteTable", "CreateSecurityGroup", "CreateSubnet", "CreateVpc", "CreateVpcEndpoint"]
    }
  }

  statement {
    sid = "ChangeAndRemoveOurs"
    actions = [
      "ec2:AssociateRouteTable",
      "ec2:AuthorizeSecurityGroupEgress",
      "ec2:AuthorizeSecurityGroupIngress",
      "ec2:CreateRouteTable",
      "ec2:CreateSecurityGroup",
      "ec2:CreateSubnet",
      "ec2:CreateVpcEndpoint",
      "ec2:DeleteRouteTable",
      "ec2:DeleteSecurityGroup",
      "ec2:DeleteSubnet",
      "ec2:DeleteVpc",
      "ec2:DeleteVpcEndpoints",
      "ec2:DisassociateRouteTable",
      "ec2:ModifySecurityGroupRules",
      "ec2:ModifyVpcAttribute",
      "ec2:ModifyVpcEndpoint",
      "ec2:RevokeSecurityGroupEgress",
      "ec2:RevokeSecurityGroupIngress",
    ]
    resources = ["${local.ec2_arn}:*/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/Project"
      values   = [var.project]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/Environment"
      values   = [var.env]
    }
  }

  # AWS's own lists of addresses, which a rule names and which belong to nobody.
  statement {
    sid       = "RulesToS3"
    actions   = ["ec2:ModifySecurityGroupRules"]
    resources = ["arn:${local.partition}:ec2:${var.region}:aws:prefix-list/*"]
  }

  # Never the two tags that say whose it is.
  statement {
    sid       = "ChangeOtherTagsOfOurs"
    actions   = ["ec2:CreateTags"]
    resources = ["${local.ec2_arn}:*/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/Project"
      values   = [var.project]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/Environment"
      values   = [var.env]
    }

    condition {
      test     = "StringEqualsIfExists"
      variable = "aws:RequestTag/Project"
      values   = [var.project]
    }

    condition {
      test     = "StringEqualsIfExists"
      variable = "aws:RequestTag/Environment"
      values   = [var.env]
    }
  }

  statement {
    sid       = "RemoveOtherTagsOfOurs"
    actions   = ["ec2:DeleteTags"]
    resources = ["${local.ec2_arn}:*/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/Project"
      values   = [var.project]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/Environment"
      values   = [var.env]
    }

    condition {
      test     = "ForAllValues:StringNotEquals"
      variable = "aws:TagKeys"
      values   = ["Project", "Environment"]
    }
  }

  # EMR's own endpoint, by the tags that AmazonEMRServicePolicy_v2 prescribes for it; it bears none of ours.
  statement {
    sid       = "SweepWhatEmrLeft"
    actions   = ["ec2:DeleteVpcEndpoints"]
    resources = ["${local.ec2_arn}:vpc-endpoint/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/for-use-with-amazon-emr-managed-policies"
      values   = ["true"]
    }

    condition {
      test     = "StringEqualsIfExists"
      variable = "aws:ResourceTag/Name"
      values   = ["emr-service-vpce"]
    }

    condition {
      test     = "StringEqualsIfExists"
      variable = "aws:ResourceTag/Project"
      values   = [var.project]
    }

    condition {
      test     = "StringEqualsIfExists"
      variable = "aws:ResourceTag/Environment"
      values   = [var.env]
    }
  }
}

resource "aws_iam_policy" "network" {
  name        = "${local.name}-operators-network"
  description = "Network of ${local.name}"
  policy      = data.aws_iam_policy_document.network.json
}
