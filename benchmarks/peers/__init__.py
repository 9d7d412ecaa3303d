"""Other pipelines under the same load, built for the purpose outside of this repository."""
