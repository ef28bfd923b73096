"""Deployments of others as values of this chart, and values as a DynamoGraphDeployment."""
