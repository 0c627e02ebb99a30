"""The asynchronous part: the pipeline (the one writer), the journal's writer, and the supervisor that keeps an adapter
running.
"""
