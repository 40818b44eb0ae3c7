"""Experience: a columnar store, the samplers and views that make batches of it, and its files."""
