mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws-eusc" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
}

variables {
  name = "fruits-test-data-000000000000"
}

run "keys_of_s3_without_a_key" {
  command = plan

  module {
    source = "../modules/bucket"
  }

  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default).sse_algorithm == "AES256"
    error_message = "without a key of ours, S3's own encrypt"
  }

  # The policy is written for the partition that it is in: Europe's sovereign cloud has another.
  assert {
    condition     = contains(one(data.aws_iam_policy_document.this.statement).resources, "arn:aws-eusc:s3:::fruits-test-data-000000000000/*")
    error_message = "the partition is part of the ARN"
  }

  assert {
    condition     = length(aws_s3_bucket_lifecycle_configuration.this) == 0
    error_message = "rules cost 55 s and come only when asked for"
  }
}

run "own_key_saves_calls" {
  command = plan

  module {
    source = "../modules/bucket"
  }

  variables {
    kms_key = { arn = "arn:aws:kms:eu-west-3:000000000000:key/x" }
  }

  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.this.rule).bucket_key_enabled
    error_message = "one call for many objects"
  }
}

run "old_versions_expire_where_there_are_versions" {
  command = plan

  module {
    source = "../modules/bucket"
  }

  variables {
    lifecycle_rules = { expire = { "emr/" = 30, "node/x/" = 7 } }
  }

  assert {
    condition     = toset([for rule in aws_s3_bucket_lifecycle_configuration.this[0].rule : rule.id]) == toset(["abandoned-uploads", "old-versions", "expire-emr", "expire-node-x"])
    error_message = "one rule a purpose"
  }
}

run "no_rule_for_versions_where_there_are_none" {
  command = plan

  module {
    source = "../modules/bucket"
  }

  variables {
    versioned       = false
    lifecycle_rules = {}
  }

  assert {
    condition     = [for rule in aws_s3_bucket_lifecycle_configuration.this[0].rule : rule.id] == ["abandoned-uploads"]
    error_message = "only abandoned uploads"
  }
}

run "refuses_a_name_with_dots_or_capitals" {
  command = plan

  module {
    source = "../modules/bucket"
  }

  variables {
    name = "Fruits.data"
  }

  expect_failures = [var.name]
}

run "refuses_a_name_that_is_too_long" {
  command = plan

  module {
    source = "../modules/bucket"
  }

  variables {
    name = "fruits-this-name-has-more-than-sixty-three-characters-0000000000"
  }

  expect_failures = [var.name]
}

run "refuses_a_word_of_s3" {
  command = plan

  module {
    source = "../modules/bucket"
  }

  variables {
    name = "xn--fruits"
  }

  expect_failures = [var.name]
}

run "refuses_half_a_day" {
  command = plan

  module {
    source = "../modules/bucket"
  }

  variables {
    lifecycle_rules = { abandoned_upload_days = 0.5 }
  }

  expect_failures = [var.lifecycle_rules]
}
