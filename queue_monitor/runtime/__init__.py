"""Where things wait: the pipeline (one writer) and the supervisor (one adapter kept running)."""
