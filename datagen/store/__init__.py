"""Storage: Parquet tables and stored completions."""
