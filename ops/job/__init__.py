"""The Spark job from outside: its package, weights, wheels, local runs, results."""
