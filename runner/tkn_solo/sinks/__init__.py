"""Where a run is told: plain lines, a live view, JSON lines, and Tekton's own objects with status."""
