"""tkn-solo: run Tekton Pipelines v1 YAML on one machine, without a cluster and without Docker."""
