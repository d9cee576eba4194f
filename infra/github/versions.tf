terraform {
  required_version = ">= 1.10, < 2.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }

  # Completed by `make` (bucket, key, region); ENV=local keeps its state in a file instead.
  backend "s3" {
    use_lockfile = true
    encrypt      = true
  }
}
