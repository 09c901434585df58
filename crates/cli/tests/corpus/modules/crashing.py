"""A module of which the import raises something that is no ImportError."""

raise ValueError("at import")
