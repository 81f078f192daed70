"""The web: pages people work in, and a REST API; the only place that knows Flask."""
