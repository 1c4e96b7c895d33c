"""Tariffs (收费标准): what a stay costs, and why."""
