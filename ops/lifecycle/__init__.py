"""An environment's life. These change an account, and say what goes on billing; nothing else does.

- `environment`  apply, fetch results, destroy, purge
- `upload`       a folder of images to the data bucket
- `step`         submit, watch, and say how it ended
- `fault`        something goes wrong on the embedded AWS
- `studio`       SageMaker Studio beside the cluster
"""
