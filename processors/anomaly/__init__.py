"""``anomaly``: what is unusual in the RED metrics of each service."""
