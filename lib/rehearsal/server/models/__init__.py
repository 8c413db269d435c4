"""What is served: the registered models, their folders and their devices."""
