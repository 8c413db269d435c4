"""Who answers: the routes, the inference API and the management API."""
