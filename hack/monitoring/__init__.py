"""What to ask Prometheus about a release: queries, the alerts and dashboards made of them."""
