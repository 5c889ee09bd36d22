"""The app: a REST interface under /api, and pages that are its users."""
