"""Phase 3: instruction pairs, dialogues and preference pairs."""
