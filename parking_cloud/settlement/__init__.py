"""Settlement: the ledger against the provider's books, and what each operator is owed."""
