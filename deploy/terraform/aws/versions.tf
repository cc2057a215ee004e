# An MLflow server on RDS PostgreSQL and S3, and the service of the model in Production, on Fargate behind one load balancer.
# docs/aws.md has the commands, the costs and what is left to you: a VPC, a certificate, a DNS zone, the images.
terraform {
  required_version = ">= 1.11" # write-only arguments: no password is in the state

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 6.0"
    }
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = { project = var.name }
  }
}
