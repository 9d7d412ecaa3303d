"""Built-in processors, written against ``pipeline.api`` alone."""
