"""A real Tekton on one machine: Kubernetes, Tekton, a registry and Gitea in a network namespace of their own."""
