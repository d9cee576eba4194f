# The last day of support of each release that this project was written for
# (https://docs.aws.amazon.com/emr/latest/ReleaseGuide/emr-release-components.html, read November 2026; each release's
# own page has the same: emr-7130-release.html, emr-spark800-release.html, "Standard support until May 20, 2027").

locals {
  end_of_support = {
    "emr-7.13.0"      = "2028-04-21"
    "emr-7.14.0"      = "2028-09-08"
    "emr-spark-8.0.0" = "2027-05-20"
  }

  release_end = var.release_end_of_support != null ? var.release_end_of_support : lookup(local.end_of_support, var.release_label, null)

  # The day of the plan; only preconditions read it, so no plan differs because of it.
  today = var.today != null ? var.today : formatdate("YYYY-MM-DD", plantimestamp())
}
