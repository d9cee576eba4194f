"""For maintainers: what renews tables, documents and locks."""
