"""An environment's life. These change an account, and say what goes on billing; nothing else does.

- `environment`  apply, results, destroy, purge
- `upload`       a folder of images to the data bucket
- `step`         submit, watch, and say how it ended
- `demo`         all of it on the embedded AWS; `fault` lets something go wrong there
- `studio`       SageMaker Studio beside the cluster
"""
