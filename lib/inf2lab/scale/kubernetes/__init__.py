"""The model folder on Kubernetes: manifests rendered from the folder and the catalog, and what they mean."""

from inf2lab.scale.kubernetes.deployment import Deployment, render, summary

__all__ = ["Deployment", "render", "summary"]
