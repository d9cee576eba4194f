"""The Spark job from outside: what it is shipped as, where it runs locally, and what it leaves.

- `package`, `class_archive`      the job as two files; Spark's classes, archived for a quicker start
- `wheelhouse`, `weights`         what a node installs, and the ImageNet weights that no package carries
- `local_spark`, `watch`          a run on this machine, and what a watcher shows
- `names`                         from a model to the folder of its results: the one rule
- `results`                       a result, read
- `neighbours`, `classify`, `compare`, `export`  what is made of results
- `tuning`                        what a choice of network costs, measured
- `notebook`                      the notebook and its zip, from their source
"""
