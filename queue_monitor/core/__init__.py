"""Pure and synchronous: what is true about callers, queues and targets. Time is always an argument."""
