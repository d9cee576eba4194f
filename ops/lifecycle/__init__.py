"""An environment's life: apply, upload, step, results, destroy."""
