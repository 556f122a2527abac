"""What an image holds: its files and packages, what is known of them, and its bill of materials."""
