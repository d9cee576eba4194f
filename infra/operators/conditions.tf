# The conditions that many statements share, by what they ask of the two tags that say whose a resource is.

locals {
  whose = { Project = var.project, Environment = var.env }

  # The resource bears them.
  ours = [for tag, value in local.whose : { test = "StringEquals", variable = "aws:ResourceTag/${tag}", values = [value] }]

  # The request that makes it gives them.
  made_ours = [for tag, value in local.whose : { test = "StringEquals", variable = "aws:RequestTag/${tag}", values = [value] }]

  # The request gives them no other values.
  retagged_ours = [for tag, value in local.whose : { test = "StringEqualsIfExists", variable = "aws:RequestTag/${tag}", values = [value] }]

  # The resource bears no others' values of them.
  no_others = [for tag, value in local.whose : { test = "StringEqualsIfExists", variable = "aws:ResourceTag/${tag}", values = [value] }]

  # The request names tags, and others than these: EC2's DeleteTags without a name takes all away, and a condition with
  # ForAllValues holds of a request that names none.
  other_tags = [
    { test = "ForAllValues:StringNotEquals", variable = "aws:TagKeys", values = ["Project", "Environment"] },
    { test = "Null", variable = "aws:TagKeys", values = ["false"] },
  ]
}
