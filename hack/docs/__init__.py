"""The pages made from the chart."""
