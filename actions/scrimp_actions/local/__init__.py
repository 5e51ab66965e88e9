"""Local job groups: the processes of this machine, their size, batches, pauses and checkpoints."""
