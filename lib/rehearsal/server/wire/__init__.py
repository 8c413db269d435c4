"""What bytes mean: HTTP, forms, requests and responses."""
