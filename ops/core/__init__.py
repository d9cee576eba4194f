"""What every room stands on: errors, the terminal, words, places."""
