"""The model folder on Ray Serve: the application, its server beside each replica, and its manifest for KubeRay."""
