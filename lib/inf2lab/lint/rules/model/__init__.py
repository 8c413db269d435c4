"""Rules about the model and its weights."""
