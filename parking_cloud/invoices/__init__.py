"""Receipts and electronic invoices."""
