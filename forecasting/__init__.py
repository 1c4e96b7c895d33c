"""Forecasting: series in, quantiles out. It knows nothing of parking_cloud. Its models come with their issue."""
