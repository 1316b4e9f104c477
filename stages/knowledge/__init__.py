"""Phase 4: what the target model knows, and refusals."""
