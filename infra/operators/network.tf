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

    dynamic "condition" {
      for_each = local.made_ours

      content {
        test     = condition.value.test
        variable = condition.value.variable
        values   = condition.value.values
      }
    }
  }

  statement {
    sid       = "MakeInTheVpc"
    actions   = ["ec2:CreateRouteTable", "ec2:CreateSecurityGroup", "ec2:CreateSubnet"]
    resources = formatlist("${local.ec2_arn}:%s/*", ["route-table", "security-group", "subnet"])

    dynamic "condition" {
      for_each = local.made_ours

      content {
        test     = condition.value.test
        variable = condition.value.variable
        values   = condition.value.values
      }
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

    dynamic "condition" {
      for_each = local.made_ours

      content {
        test     = condition.value.test
        variable = condition.value.variable
        values   = condition.value.values
      }
    }
  }

  # Only in the call that makes it: whoever may put our tags on what is there already owns it.
  statement {
    sid       = "TagWhatIsMade"
    actions   = ["ec2:CreateTags"]
    resources = formatlist("${local.ec2_arn}:%s/*", ["route-table", "security-group", "security-group-rule", "subnet", "vpc", "vpc-endpoint"])

    dynamic "condition" {
      for_each = local.made_ours

      content {
        test     = condition.value.test
        variable = condition.value.variable
        values   = condition.value.values
      }
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

    dynamic "condition" {
      for_each = local.ours

      content {
        test     = condition.value.test
        variable = condition.value.variable
        values   = condition.value.values
      }
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

    dynamic "condition" {
      for_each = concat(local.ours, local.retagged_ours)

      content {
        test     = condition.value.test
        variable = condition.value.variable
        values   = condition.value.values
      }
    }
  }

  statement {
    sid       = "RemoveOtherTagsOfOurs"
    actions   = ["ec2:DeleteTags"]
    resources = ["${local.ec2_arn}:*/*"]

    dynamic "condition" {
      for_each = concat(local.ours, local.other_tags)

      content {
        test     = condition.value.test
        variable = condition.value.variable
        values   = condition.value.values
      }
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

    dynamic "condition" {
      for_each = local.no_others

      content {
        test     = condition.value.test
        variable = condition.value.variable
        values   = condition.value.values
      }
    }
  }
}

resource "aws_iam_policy" "network" {
  name        = "${local.name}-operators-network"
  description = "Network of ${local.name}"
  policy      = data.aws_iam_policy_document.network.json
}
