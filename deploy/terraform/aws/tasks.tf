# Two services of Fargate on ARM: the MLflow server, which alone has the bucket and the database, and the service of the model.
resource "aws_ecs_cluster" "main" {
  name = var.name
}

resource "aws_cloudwatch_log_group" "tasks" {
  for_each          = local.ports
  name              = "/${var.name}/${each.key}"
  retention_in_days = 30
}

locals {
  may_run_tasks = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role" "execution" {
  name_prefix        = "${var.name}-execution-"
  assume_role_policy = local.may_run_tasks
}

resource "aws_iam_role_policy_attachment" "execution" {
  role       = aws_iam_role.execution.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

resource "aws_iam_role_policy" "secrets" {
  name = "secrets"
  role = aws_iam_role.execution.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["secretsmanager:GetSecretValue"]
      Resource = [aws_secretsmanager_secret.database_password.arn, aws_secretsmanager_secret.service_tokens.arn]
    }]
  })
}

resource "aws_iam_role" "mlflow" {
  name_prefix        = "${var.name}-mlflow-"
  assume_role_policy = local.may_run_tasks
}

resource "aws_iam_role_policy" "artifacts" {
  name = "artifacts"
  role = aws_iam_role.mlflow.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["s3:ListBucket", "s3:GetBucketLocation"]
        Resource = [aws_s3_bucket.artifacts.arn]
      },
      {
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
        Resource = ["${aws_s3_bucket.artifacts.arn}/*"]
      }
    ]
  })
}

locals {
  # What is written lies in memory-less scratch volumes: the root is read-only.
  scratch = {
    mlflow  = { tmp = "/tmp", home = "/var/lib/recipeline" }
    service = { tmp = "/tmp", home = "/var/lib/recipeline", log = "/srv/recipeline/log" }
  }
  # libpq takes the password from PGPASSWORD: it is in no URI and in no list of processes. One worker: several of `mlflow server`
  # answer 40 ms late without uvloop.
  commands = {
    mlflow = [
      "mlflow", "server", "--host", "0.0.0.0", "--port", "5000", "--workers", "1",
      "--backend-store-uri", "postgresql+psycopg:///mlflow",
      "--artifacts-destination", "s3://${aws_s3_bucket.artifacts.bucket}/artifacts",
      "--allowed-hosts", local.hosts.mlflow,
    ]
    service = ["python", "-m", "recipeline", "serve", "--profile", "aws", "--host", "0.0.0.0", "--port", "8000"]
  }
  variables = {
    mlflow = {
      PGHOST    = aws_db_instance.store.address
      PGPORT    = "5432"
      PGUSER    = "mlflow"
      PGSSLMODE = "require"
    }
    service = {
      MLFLOW_TRACKING_URI = "https://${local.hosts.mlflow}"
      DATA_URI            = var.rows
    }
  }
  secrets = {
    mlflow  = { PGPASSWORD = aws_secretsmanager_secret.database_password.arn }
    service = { RECIPELINE_SERVICE_TOKENS = aws_secretsmanager_secret.service_tokens.arn }
  }
  images = { mlflow = var.chain_image, service = var.service_image }
}

resource "aws_ecs_task_definition" "tasks" {
  for_each                 = local.ports
  family                   = "${var.name}-${each.key}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 1024
  memory                   = 2048
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = each.key == "mlflow" ? aws_iam_role.mlflow.arn : null

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = "ARM64"
  }

  dynamic "volume" {
    for_each = local.scratch[each.key]

    content {
      name = volume.key
    }
  }

  container_definitions = jsonencode([{
    name                   = each.key
    image                  = local.images[each.key]
    essential              = true
    command                = local.commands[each.key]
    readonlyRootFilesystem = true
    stopTimeout            = 60
    environment            = [for name, value in local.variables[each.key] : { name = name, value = value }]
    secrets                = [for name, arn in local.secrets[each.key] : { name = name, valueFrom = arn }]
    portMappings           = [{ containerPort = each.value, protocol = "tcp" }]
    mountPoints            = [for name, path in local.scratch[each.key] : { sourceVolume = name, containerPath = path, readOnly = false }]
    linuxParameters        = { capabilities = { drop = ["ALL"] } }
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.tasks[each.key].name
        awslogs-region        = var.region
        awslogs-stream-prefix = each.key
      }
    }
  }])
}

resource "aws_ecs_service" "tasks" {
  for_each                          = local.ports
  name                              = each.key
  cluster                           = aws_ecs_cluster.main.id
  task_definition                   = aws_ecs_task_definition.tasks[each.key].arn
  launch_type                       = "FARGATE"
  desired_count                     = each.key == "service" && var.is_highly_available ? 2 : 1
  health_check_grace_period_seconds = 180

  network_configuration {
    subnets         = var.private_subnet_ids
    security_groups = [aws_security_group.tasks[each.key].id]
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.tasks[each.key].arn
    container_name   = each.key
    container_port   = each.value
  }

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  depends_on = [aws_lb_listener_rule.hosts, aws_iam_role_policy.secrets, aws_secretsmanager_secret_version.database_password, aws_secretsmanager_secret_version.service_tokens]
}
