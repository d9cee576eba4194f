"""An account: who we are, what is there, what AWS left behind."""
