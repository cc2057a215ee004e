# Clients reach the load balancer, the load balancer the tasks, the server's task the database; nothing else.
locals {
  hosts = {
    mlflow  = "mlflow.${var.domain}"
    service = "${var.name}.${var.domain}"
  }
  ports = { mlflow = 5000, service = 8000 }
}

resource "aws_security_group" "balancer" {
  name_prefix = "${var.name}-balancer-"
  description = "The load balancer"
  vpc_id      = var.vpc_id

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_security_group" "tasks" {
  for_each    = local.ports
  name_prefix = "${var.name}-${each.key}-"
  description = "Tasks of ${each.key}"
  vpc_id      = var.vpc_id

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_security_group" "store" {
  name_prefix = "${var.name}-store-"
  description = "The database"
  vpc_id      = var.vpc_id

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  for_each          = toset(var.client_cidrs)
  security_group_id = aws_security_group.balancer.id
  description       = "Clients"
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

# The service, and a chain that runs on Fargate, ask the server by its name.
resource "aws_vpc_security_group_ingress_rule" "service_to_balancer" {
  security_group_id            = aws_security_group.balancer.id
  description                  = "The service, to the MLflow server"
  referenced_security_group_id = aws_security_group.tasks["service"].id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_security_group_egress_rule" "balancer_to_tasks" {
  for_each                     = local.ports
  security_group_id            = aws_security_group.balancer.id
  description                  = "Tasks of ${each.key}"
  referenced_security_group_id = aws_security_group.tasks[each.key].id
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
}

resource "aws_vpc_security_group_ingress_rule" "tasks_from_balancer" {
  for_each                     = local.ports
  security_group_id            = aws_security_group.tasks[each.key].id
  description                  = "The load balancer"
  referenced_security_group_id = aws_security_group.balancer.id
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
}

resource "aws_vpc_security_group_egress_rule" "tasks" {
  for_each          = local.ports
  security_group_id = aws_security_group.tasks[each.key].id
  description       = "Images, secrets, logs, S3, the database, the load balancer"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
}

resource "aws_vpc_security_group_ingress_rule" "store_from_mlflow" {
  security_group_id            = aws_security_group.store.id
  description                  = "The MLflow server"
  referenced_security_group_id = aws_security_group.tasks["mlflow"].id
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

resource "aws_lb" "main" {
  name                       = var.name
  internal                   = true
  load_balancer_type         = "application"
  security_groups            = [aws_security_group.balancer.id]
  subnets                    = var.private_subnet_ids
  drop_invalid_header_fields = true
  idle_timeout               = 120
}

resource "aws_lb_target_group" "tasks" {
  for_each             = local.ports
  name                 = "${var.name}-${each.key}"
  port                 = each.value
  protocol             = "HTTP"
  target_type          = "ip"
  vpc_id               = var.vpc_id
  deregistration_delay = 30

  # Not /readyz: without a version in Production it is 503, and ECS would replace the task for ever. Tasks that end are
  # deregistered before they are told to.
  health_check {
    path                = { mlflow = "/health", service = "/healthz" }[each.key]
    matcher             = "200"
    interval            = 15
    healthy_threshold   = 2
    unhealthy_threshold = 4
  }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.main.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = var.certificate_arn

  default_action {
    type = "fixed-response"

    fixed_response {
      content_type = "text/plain"
      message_body = "unknown name"
      status_code  = "404"
    }
  }
}

resource "aws_lb_listener_rule" "hosts" {
  for_each     = local.hosts
  listener_arn = aws_lb_listener.https.arn

  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.tasks[each.key].arn
  }

  condition {
    host_header {
      values = [each.value]
    }
  }
}

resource "aws_route53_record" "hosts" {
  for_each = local.hosts
  zone_id  = var.zone_id
  name     = each.value
  type     = "A"

  alias {
    name                   = aws_lb.main.dns_name
    zone_id                = aws_lb.main.zone_id
    evaluate_target_health = true
  }
}
