"""From settings to a finished run: device, feature cache, batches, loop, checkpoints."""
