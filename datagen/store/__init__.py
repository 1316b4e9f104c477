"""Files: Parquet tables and the store of completions."""
