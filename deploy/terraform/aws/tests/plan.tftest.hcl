# Run by `terraform test` against a stand-in of the provider, which knows its schema and asks no account.
mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::000000000000:role/a-role" }
  }

  mock_resource "aws_lb" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-central-1:000000000000:loadbalancer/app/a/0" }
  }

  mock_resource "aws_lb_listener" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-central-1:000000000000:listener/app/a/0/0" }
  }

  mock_resource "aws_lb_target_group" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-central-1:000000000000:targetgroup/a/0" }
  }

  mock_resource "aws_ecs_task_definition" {
    defaults = { arn = "arn:aws:ecs:eu-central-1:000000000000:task-definition/a:1" }
  }
}

variables {
  region             = "eu-central-1"
  vpc_id             = "vpc-0"
  private_subnet_ids = ["subnet-a", "subnet-b"]
  client_cidrs       = ["10.0.0.0/8"]
  zone_id            = "Z0"
  domain             = "ml.example"
  certificate_arn    = "arn:aws:acm:eu-central-1:000000000000:certificate/0"
  chain_image        = "registry.example/chain@sha256:0000000000000000000000000000000000000000000000000000000000000000"
  service_image      = "registry.example/service@sha256:0000000000000000000000000000000000000000000000000000000000000000"
  database_password  = "sixteen-characters-at-least"
  service_tokens     = "a-token"
  rows               = "s3://rows/wines"
}

run "plan" {
  command = plan

  assert {
    condition     = aws_db_instance.store.storage_encrypted && !aws_db_instance.store.publicly_accessible && aws_db_instance.store.deletion_protection
    error_message = "The database must be encrypted, private, and protected from deletion."
  }

  assert {
    condition     = aws_lb.main.internal && aws_lb_listener.https.protocol == "HTTPS"
    error_message = "The load balancer must be internal and speak HTTPS only."
  }

  assert {
    condition     = aws_lb_target_group.tasks["service"].health_check[0].path == "/healthz"
    error_message = "A task must stay while no version is in Production."
  }

  assert {
    condition     = alltrue([for it in values(aws_vpc_security_group_ingress_rule.clients) : it.cidr_ipv4 == "10.0.0.0/8"])
    error_message = "Only the clients' networks may reach the load balancer."
  }
}

run "apply" {
  command = apply

  assert {
    condition     = alltrue([for it in values(aws_ecs_task_definition.tasks) : jsondecode(it.container_definitions)[0].readonlyRootFilesystem])
    error_message = "Each container must have a read-only root."
  }

  assert {
    condition     = !strcontains(jsonencode([for it in values(aws_ecs_task_definition.tasks) : it.container_definitions]), "sixteen-characters")
    error_message = "No password may be in a task definition."
  }

  assert {
    condition     = output.tracking_uri == "https://mlflow.ml.example" && output.service_url == "https://recipeline.ml.example"
    error_message = "The outputs must be the names that the load balancer knows."
  }
}

run "everyone_may_not_reach_it" {
  command = plan

  variables {
    client_cidrs = ["0.0.0.0/0"]
  }

  expect_failures = [var.client_cidrs]
}

run "an_image_has_a_digest" {
  command = plan

  variables {
    chain_image = "registry.example/chain:latest"
  }

  expect_failures = [var.chain_image]
}
