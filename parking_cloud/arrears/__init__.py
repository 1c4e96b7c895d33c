"""Arrears (欠费): the stages of what was not paid, and the drivers' objections that stop the clock."""
