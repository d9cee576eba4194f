mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = {
      partition  = "aws"
      dns_suffix = "amazonaws.com"
    }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
}

variables {
  name         = "fruits-test"
  region       = "eu-central-1"
  bucket_names = ["data", "logs"]
}

run "private_by_default" {
  command = plan

  module {
    source = "../modules/network"
  }

  assert {
    condition     = length(aws_nat_gateway.this) + length(aws_internet_gateway.this) + length(aws_vpc_endpoint.interface) == 0
    error_message = "nothing that bills by the hour, and no way out"
  }

  assert {
    condition     = toset(keys(aws_subnet.private)) == toset(["eu-central-1a", "eu-central-1b", "eu-central-1c"])
    error_message = "a subnet in each of three zones"
  }

  assert {
    condition     = length(distinct([for subnet in aws_subnet.private : subnet.cidr_block])) == 3
    error_message = "subnets must not share addresses"
  }

  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.extra) == 0
    error_message = "no way in"
  }
}

run "log_bucket_of_virginia_has_no_region" {
  command = plan

  module {
    source = "../modules/network"
  }

  variables {
    region = "us-east-1"
  }

  assert {
    condition     = anytrue([for statement in data.aws_iam_policy_document.s3_endpoint.statement : contains(statement.resources, "arn:aws:s3:::aws157-logs-prod/*")])
    error_message = "AWS names it without a region there"
  }
}

run "nat_subnet_is_apart" {
  command = plan

  module {
    source = "../modules/network"
  }

  variables {
    enable_nat = true
  }

  assert {
    condition     = !contains([for subnet in aws_subnet.private : subnet.cidr_block], aws_subnet.public[0].cidr_block)
    error_message = "the public subnet has addresses of its own"
  }

  assert {
    condition     = length(aws_vpc_security_group_egress_rule.internet) == 2
    error_message = "nodes may go out"
  }
}

run "shell_through_three_endpoints" {
  command = plan

  module {
    source = "../modules/network"
  }

  variables {
    enable_ssm = true
    enable_kms = true
  }

  assert {
    condition     = toset(keys(aws_vpc_endpoint.interface)) == toset(["ssm", "ssmmessages", "ec2messages", "kms"])
    error_message = "what a session needs"
  }

  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.endpoints) == 2
    error_message = "the nodes reach them"
  }
}

run "refuses_everybody" {
  command = plan

  module {
    source = "../modules/network"
  }

  variables {
    ingress = [{ cidr = "0.0.0.0/0", port = 8998, description = "Livy" }]
  }

  expect_failures = [var.ingress]
}

run "refuses_one_zone" {
  command = plan

  module {
    source = "../modules/network"
  }

  variables {
    zones = ["a"]
  }

  expect_failures = [var.zones]
}

run "refuses_public_addresses" {
  command = plan

  module {
    source = "../modules/network"
  }

  variables {
    cidr = "8.8.0.0/16"
  }

  expect_failures = [var.cidr]
}

run "refuses_every_bucket" {
  command = plan

  module {
    source = "../modules/network"
  }

  variables {
    bucket_names = ["*"]
  }

  expect_failures = [var.bucket_names]
}
