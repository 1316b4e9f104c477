"""What people read: console, report, doctor."""
