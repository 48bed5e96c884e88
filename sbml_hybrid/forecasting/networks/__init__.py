"""Keras forecasters, one file a family."""
