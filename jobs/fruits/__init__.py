"""Fruits!: a folder of photographs in, CNN features and their PCA out, on Spark.

The package knows object stores by URI and Spark by DataFrames; it knows no cloud, no cluster and no operator's tool.
"""

__version__ = "0.2.0"
