"""The application of project.py."""
