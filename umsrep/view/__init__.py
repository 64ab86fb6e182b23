"""View: one page on this machine where an image is looked at."""
