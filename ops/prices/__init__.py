"""Dated prices: the tables, and how AWS answers about them. Knows no account and no plan."""
