"""The ledger: double entry, balanced by the database, only added to."""
