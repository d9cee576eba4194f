"""The rows of the table, by where a failure happens. Every pattern stands below a line that it matches."""
