"""Output for people: console, report and doctor."""
