"""Who computes: a model's queue, its workers' lives, and their processes."""
