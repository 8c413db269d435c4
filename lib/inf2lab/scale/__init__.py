"""Past one machine: the same model folder on Ray Serve, Kubernetes and SageMaker."""
