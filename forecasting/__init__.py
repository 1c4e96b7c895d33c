"""Forecasting: series in, quantiles out; knows nothing of parking_cloud. Models come with their issue."""
