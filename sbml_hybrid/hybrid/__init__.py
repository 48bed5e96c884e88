"""Mechanisms as Keras layers, with networks grafted on them."""
