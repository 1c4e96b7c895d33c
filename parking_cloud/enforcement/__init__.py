"""Enforcement. For now the intake of clues: what people and the platform report, kept as it came."""
