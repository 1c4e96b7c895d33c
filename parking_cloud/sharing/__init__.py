"""Shared spaces of institutions and state enterprises: opened in windows, booked, used, published."""
