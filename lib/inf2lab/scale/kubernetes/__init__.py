"""The model folder on Kubernetes: manifests rendered from the folder and the catalog, and what they mean."""

from inf2lab.scale.kubernetes.deployment import render, summary

__all__ = ["render", "summary"]
