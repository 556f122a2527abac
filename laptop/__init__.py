"""What a platform team and a cluster would provide, on one machine."""
