"""Charges, payments and refunds (账单、支付、退款): rightly, with proof, never twice."""
