"""Output for people: console, report, doctor."""
