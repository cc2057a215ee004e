"""The logs of a worker: queues, files, their archive, and a limited rate."""
